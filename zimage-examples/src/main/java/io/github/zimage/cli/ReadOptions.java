package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import picocli.CommandLine.Option;

/** How weights come from their files. */
final class ReadOptions {
    @Option(
            names = "--read-weights",
            description =
                    "Read weights into memory instead of mapping their files, where a disk may fail or files may be cut short"
                            + " (default: only on network and FUSE file systems).")
    private boolean readWeights;

    void apply(PipelineBuilder builder) {
        builder.readWeights(readWeights);
    }
}
