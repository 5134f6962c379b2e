package io.github.zimage.bench;

import io.github.zimage.Precision;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which model computes, in which numbers, for pictures of which size. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
class ModelOptions {
    @Option(names = "--model", required = true, paramLabel = "DIR", description = "Folder of a checkpoint.")
    Path folder;

    @Option(names = "--dtype", defaultValue = "bf16", description = "Number format (default: ${DEFAULT-VALUE}).")
    Precision precision;

    @Option(names = "--size", defaultValue = "512", description = "Width and height (default: ${DEFAULT-VALUE}).")
    int size;
}
