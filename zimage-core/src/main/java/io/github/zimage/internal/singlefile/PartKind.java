package io.github.zimage.internal.singlefile;

import io.github.zimage.Component;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * What has to be known of a part to find and read it.
 *
 * @param component the part
 * @param words what people call it
 * @param folders how ComfyUI calls the folders that its files lie in
 * @param option what names it, for messages
 * @param names gives its tensors diffusers' names
 * @param read reads its configuration
 * @param assumed makes its configuration of its tensors
 * @param notes says what of that was assumed
 * @param <C> its configuration's type
 */
record PartKind<C>(
        Component component,
        String words,
        List<String> folders,
        String option,
        Function<Map<String, TensorEntry>, Map<String, TensorEntry>> names,
        Function<Path, C> read,
        Function<AssumedConfigs, C> assumed,
        Function<C, String> notes,
        Function<C, Map<String, List<Long>>> tensors) {
    static final PartKind<TransformerConfig> TRANSFORMER = new PartKind<>(
            Component.TRANSFORMER,
            "transformer",
            List.of("diffusion_models", "unet"),
            "--model",
            TransformerNames::diffusers,
            TransformerConfig::read,
            AssumedConfigs::transformer,
            AssumedConfigs::notes,
            TransformerConfig::tensors);

    static final PartKind<TextEncoderConfig> TEXT_ENCODER = new PartKind<>(
            Component.TEXT_ENCODER,
            "text encoder (Qwen3-4B)",
            List.of("text_encoders", "clip"),
            "--text-encoder or textEncoder(Path)",
            TextEncoderNames::transformers,
            TextEncoderConfig::read,
            AssumedConfigs::textEncoder,
            AssumedConfigs::notes,
            TextEncoderConfig::tensors);

    static final PartKind<VaeConfig> VAE = new PartKind<>(
            Component.VAE,
            "VAE (FLUX.1's)",
            List.of("vae"),
            "--vae or vae(Path)",
            VaeNames::diffusers,
            VaeConfig::read,
            AssumedConfigs::vae,
            AssumedConfigs::notes,
            VaeConfig::tensors);
}
