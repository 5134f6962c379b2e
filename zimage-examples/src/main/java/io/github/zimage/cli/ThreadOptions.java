package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How many threads compute. */
final class ThreadOptions {
    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "How many threads compute (default: OMP_NUM_THREADS, else one a core).")
    private @Nullable Integer threads;

    void apply(PipelineBuilder builder) {
        if (threads != null) {
            builder.threads(threads);
        }
    }
}
