package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The shapes of a model's weights, by their names.
 *
 * @param transformer those of the transformer
 * @param textEncoder those of the text encoder, with layers that are not run
 * @param textEncoderRun the text encoder's that are run
 * @param hasWidths whether the shapes count, and not only the names
 */
public record ModelShapes(
        Map<String, List<Long>> transformer,
        Map<String, List<Long>> textEncoder,
        Map<String, List<Long>> textEncoderRun,
        boolean hasWidths) {

    /** Returns those of a model that is known by its configurations. */
    public static ModelShapes of(TransformerConfig transformer, TextEncoderConfig textEncoder) {
        return new ModelShapes(transformer.tensors(), textEncoder.fileTensors(), textEncoder.tensors(), true);
    }

    /** Returns the names of Z-Image as it was published, for adapters that are looked at without a model, of whatever widths. */
    public static ModelShapes names() {
        ModelShapes published = of(
                new TransformerConfig(
                        3840, 30, 2, 30, 1e-5, true, 2560, 16, 256, 1000, List.of(32, 48, 48), List.of(1536, 512, 512)),
                new TextEncoderConfig(2560, 36, 32, 8, 128, 9728, 1e-6, 1_000_000, 151_936, false));
        return new ModelShapes(published.transformer(), published.textEncoder(), published.textEncoderRun(), false);
    }

    /** Returns the shape of a weight, or null if there is none of that name. */
    @Nullable
    List<Long> shape(Component component, String tensor) {
        return (component.equals(Component.TRANSFORMER) ? transformer : textEncoder).get(tensor);
    }

    /** Returns how many numbers are multiplied for a row of each layer of the transformer's blocks. */
    long products() {
        return transformer.entrySet().stream()
                .filter(each -> BlockWeights.TRANSFORMER.role(each.getKey()).isProduct())
                .mapToLong(each -> each.getValue().get(0) * each.getValue().get(1))
                .sum();
    }

    /** Returns whether the model computes with a module. */
    boolean isRun(Component component, String tensor) {
        return component.equals(Component.TRANSFORMER) || textEncoderRun.containsKey(tensor);
    }
}
