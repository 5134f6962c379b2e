package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The ControlNet that lets pictures follow others. */
final class ControlModelOption {
    @Option(
            names = "--control-model",
            paramLabel = "DIR|FILE",
            description = "ControlNet for --control: a safetensors file, or a folder of diffusers.")
    private @Nullable Path file;

    /** Returns whether one was named. */
    boolean isGiven() {
        return file != null;
    }

    void apply(PipelineBuilder builder) {
        if (file != null) {
            builder.controlNet(file);
        }
    }
}
