package io.github.zimage;

import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.io.TextTable;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a checkpoint folder holds, as {@link ZImageModel#info} tells without loading it. {@link #toString()} is a table for people.
 *
 * @param name the folder's name, or the model's if the folder lies in a Hugging Face cache
 * @param folder the folder, absolute
 * @param parts the components, in the order in which a generation uses them
 * @param schedulerShift how far the scheduler pushes the noise levels up, where that does not depend on the picture's size
 * @param dynamicShift whether it does
 */
public record ModelInfo(String name, Path folder, List<Part> parts, double schedulerShift, boolean dynamicShift) {

    /**
     * What a checkpoint holds of one component.
     *
     * @param component the component
     * @param className its class in Python
     * @param parameters how many numbers its weights have
     * @param bytes how much its weights take on the disk
     * @param storageTypes the formats that the weights are stored in, such as {@code BF16}, the most used one first
     * @param files how many files they lie in
     * @param dimensions its main dimensions, for people
     */
    public record Part(
            Component component,
            String className,
            long parameters,
            long bytes,
            List<String> storageTypes,
            int files,
            String dimensions) {
        /** Creates a description; the list is copied. */
        public Part {
            storageTypes = List.copyOf(storageTypes);
        }
    }

    /** Creates a description; the list is copied. */
    public ModelInfo {
        parts = List.copyOf(parts);
    }

    static ModelInfo of(Checkpoint checkpoint) {
        List<Part> parts = new ArrayList<>();
        for (Component component : Component.values()) {
            WeightIndex files = checkpoint.files(component);
            List<String> types = files.tensors().values().stream()
                    .collect(Collectors.groupingBy(TensorEntry::type, Collectors.summingLong(TensorEntry::byteSize)))
                    .entrySet()
                    .stream()
                    .sorted((a, b) -> Long.compare(b.getValue(), a.getValue()))
                    .map(type -> type.getKey().name())
                    .toList();
            parts.add(new Part(
                    component,
                    checkpoint.className(component),
                    files.tensors().values().stream()
                            .mapToLong(TensorEntry::elements)
                            .sum(),
                    files.byteSize(),
                    types,
                    files.files().size(),
                    dimensions(component, checkpoint)));
        }
        SchedulerConfig scheduler = checkpoint.scheduler();
        return new ModelInfo(
                checkpoint.name(), checkpoint.folder(), parts, scheduler.shift(), scheduler.useDynamicShifting());
    }

    private static String dimensions(Component component, Checkpoint checkpoint) {
        if (component.equals(Component.TEXT_ENCODER)) {
            return dimensions(checkpoint.textEncoder());
        }
        return component.equals(Component.TRANSFORMER)
                ? dimensions(checkpoint.transformer())
                : dimensions(checkpoint.vae());
    }

    private static String dimensions(TextEncoderConfig config) {
        return "hidden %d, %d layers, %d/%d heads of %d, %d tokens"
                .formatted(
                        config.hiddenSize(),
                        config.layers(),
                        config.heads(),
                        config.kvHeads(),
                        config.headDim(),
                        config.vocabSize());
    }

    private static String dimensions(TransformerConfig config) {
        return "dim %d, %d + 2x%d layers, %d heads of %d"
                .formatted(config.dim(), config.layers(), config.refinerLayers(), config.heads(), config.headDim());
    }

    private static String dimensions(VaeConfig config) {
        return "%d latent channels, 1/%d size, channels %s"
                .formatted(
                        config.latentChannels(),
                        config.scale(),
                        config.blockOutChannels().stream().map(String::valueOf).collect(Collectors.joining(" ")));
    }

    /** Returns a table of several lines. */
    @Override
    public String toString() {
        TextTable table = new TextTable(Set.of(2, 3, 5));
        table.add("component", "class", "parameters", "bytes", "stored as", "files", "dimensions");
        for (Part part : parts) {
            table.add(
                    part.component().folder(),
                    ShownText.cut(part.className()),
                    decimal(part.parameters()),
                    decimal(part.bytes()) + "B",
                    String.join(", ", part.storageTypes()),
                    String.valueOf(part.files()),
                    part.dimensions());
        }
        StringBuilder text = new StringBuilder(ShownText.line(name + " (" + folder + ")"))
                .append('\n')
                .append(table);
        return text.append("scheduler shift: ")
                .append(dynamicShift ? "by the picture's size" : String.valueOf(schedulerShift))
                .toString();
    }

    private static String decimal(long count) {
        if (count < 1_000_000) {
            return String.format(Locale.ROOT, "%.1f k", count / 1e3);
        }
        return count < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f M", count / 1e6)
                : String.format(Locale.ROOT, "%.2f G", count / 1e9);
    }
}
