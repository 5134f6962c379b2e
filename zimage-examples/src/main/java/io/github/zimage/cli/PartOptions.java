package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the parts of a model lie that are not where the model is, and which of its weight files are taken. */
final class PartOptions {
    @Option(
            names = "--text-encoder",
            paramLabel = "FILE|DIR",
            description = "The text encoder: a safetensors or GGUF file, its folder, or that of a checkpoint.")
    private @Nullable Path textEncoder;

    @Option(
            names = "--vae",
            paramLabel = "FILE|DIR",
            description = "The VAE: a safetensors file, its folder, or that of a checkpoint.")
    private @Nullable Path vae;

    @Option(
            names = "--tokenizer",
            paramLabel = "FILE|DIR",
            description = "The tokenizer: a tokenizer.json, or a folder with one.")
    private @Nullable Path tokenizer;

    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description = "Take weight files of this variant, such as bf16 for model.bf16.safetensors.")
    private @Nullable String variant;

    /** Returns whether anything is chosen. */
    boolean any() {
        return textEncoder != null || vae != null || tokenizer != null || variant != null;
    }

    /** Returns the files of a model. */
    ZImageModel.Files files(Path model) {
        ZImageModel.Files files = ZImageModel.Files.of(model);
        files = textEncoder == null ? files : files.textEncoder(textEncoder);
        files = vae == null ? files : files.vae(vae);
        files = tokenizer == null ? files : files.tokenizer(tokenizer);
        return variant == null ? files : files.variant(variant);
    }

    /** Opens a model of those files. */
    ZImageModel open(Path model) {
        return files(model).open();
    }
}
