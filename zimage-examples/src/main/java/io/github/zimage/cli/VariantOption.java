package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which of a checkpoint's weight files are taken. */
final class VariantOption {
    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description = "Take weight files of this variant, such as bf16 for model.bf16.safetensors.")
    private @Nullable String variant;

    /** Returns its name, or {@code null} for the usual files. */
    @Nullable
    String name() {
        return variant;
    }

    /** Opens a checkpoint for those files. */
    ZImageModel open(Path folder) {
        return variant == null ? ZImageModel.open(folder) : ZImageModel.open(folder, variant);
    }
}
