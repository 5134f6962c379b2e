package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The components that every model has, as entries of a list to which others can be added. */
public final class Catalog {
    private static final WeightRoles TEXT_ENCODER = new WeightRoles(
            BlockWeights.TEXT_ENCODER.names(BlockWeights.Role::isStreamed),
            WeightRoles.NONE,
            BlockWeights.TEXT_ENCODER.exactNames(),
            WeightRoles.NONE,
            "embed_tokens.weight");

    /** Norms, what the timestep passes, and pad tokens compute in FP32. */
    private static final WeightRoles TRANSFORMER = new WeightRoles(
            BlockWeights.TRANSFORMER.names(BlockWeights.Role::isStreamed),
            Pattern.compile("context_refiner\\..*"),
            BlockWeights.TRANSFORMER.exactNames(),
            BlockWeights.TRANSFORMER.names(role -> role == BlockWeights.Role.MODULATION),
            null);

    private static final WeightRoles CONTROLNET = new WeightRoles(
            BlockWeights.CONTROLNET.names(BlockWeights.Role::isStreamed),
            WeightRoles.NONE,
            BlockWeights.CONTROLNET.exactNames(),
            BlockWeights.CONTROLNET.names(role -> role == BlockWeights.Role.MODULATION),
            null);

    private static final WeightRoles VAE = new WeightRoles(
            WeightRoles.NONE,
            WeightRoles.NONE,
            Pattern.compile("(decoder|encoder)\\.(conv_norm_out|conv_out)\\..*|quant_conv\\..*"),
            WeightRoles.NONE,
            null);

    private Catalog() {}

    /** Returns the entries of a model with a ControlNet, if there is one. */
    static List<CatalogEntry> of(
            TextEncoderConfig textEncoder,
            TransformerConfig transformer,
            VaeConfig vae,
            @Nullable ControlNetConfig controlNet) {
        List<CatalogEntry> entries = of(textEncoder, transformer, vae);
        if (controlNet == null) {
            return entries;
        }
        RequestMemory request = new RequestMemory(transformer, vae);
        CatalogEntry entry = new CatalogEntry(
                Component.CONTROLNET,
                controlNet.tensors(),
                CONTROLNET,
                controlNet.variant().refinesWithLayers() ? Cadence.CONTROLLED_STEP_TWICE : Cadence.CONTROLLED_STEP,
                List.of(Phase.DENOISE),
                (precision, weights) -> new ControlNetMemory(request, controlNet));
        return Stream.concat(entries.stream(), Stream.of(entry)).toList();
    }

    /** Returns the entries of a model that is known by its configurations, in the order in which a generation uses them. */
    public static List<CatalogEntry> of(TextEncoderConfig textEncoder, TransformerConfig transformer, VaeConfig vae) {
        RequestMemory request = new RequestMemory(transformer, vae);
        return List.of(
                new CatalogEntry(
                        Component.TEXT_ENCODER,
                        textEncoder.tensors(),
                        TEXT_ENCODER,
                        Cadence.PROMPT,
                        List.of(Phase.TEXT),
                        (precision, weights) -> new TextEncoderMemory(textEncoder, precision, weights)),
                new CatalogEntry(
                        Component.VAE_ENCODER,
                        vae.encoderTensors(),
                        VAE,
                        Cadence.SOURCE,
                        List.of(Phase.ENCODE),
                        (precision, weights) -> new EncoderMemory(request, precision, weights)),
                new CatalogEntry(
                        Component.TRANSFORMER,
                        transformer.tensors(),
                        TRANSFORMER,
                        Cadence.STEP,
                        List.of(Phase.DENOISE),
                        (precision, weights) -> new TransformerMemory(request, precision, weights)),
                new CatalogEntry(
                        Component.VAE,
                        vae.tensors(),
                        VAE,
                        Cadence.PICTURE,
                        List.of(Phase.DECODE),
                        (precision, weights) -> new DecoderMemory(request, precision, weights)),
                new CatalogEntry(
                        Component.UPSCALER,
                        Map.of(),
                        VAE,
                        Cadence.UPSCALED,
                        List.of(Phase.UPSCALE),
                        (precision, weights) -> new UpscalerMemory(request, precision)));
    }
}
