package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The checkpoint that a command is about, which has to be named. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CheckpointOptions {
    @Option(
            names = "--model",
            required = true,
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout.")
    private Path folder;

    @Mixin
    private VariantOption variant;

    Path folder() {
        return folder;
    }

    void apply(PipelineBuilder builder) {
        builder.model(folder);
        variant.apply(builder);
    }
}
