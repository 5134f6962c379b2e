package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import io.github.zimage.tuning.Tuner;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The checkpoint that a command is about, which has to be named. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CheckpointOptions {
    @Option(
            names = {"-m", "--model"},
            required = true,
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout.")
    private Path folder;

    @Mixin
    private VariantOption variant;

    /** Opens it. */
    ZImageModel open() {
        return variant.open(folder);
    }

    /** Has a tuner open it. */
    void apply(Tuner.Builder tuner) {
        tuner.model(folder);
        String name = variant.name();
        if (name != null) {
            tuner.variant(name);
        }
    }
}
