package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The checkpoint that is planned for; if none is named, Z-Image-Turbo as it is known by its shapes. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PlannedCheckpoint {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "DIR|FILE|NAME",
            description =
                    "Folder of a Z-Image checkpoint in the diffusers layout, a safetensors or GGUF file, or a name on a hub"
                            + " (default: Z-Image-Turbo by its shapes, which need not be there).")
    private @Nullable Path folder;

    @Mixin
    private PartOptions parts;

    @Mixin
    private DownloadOptions download;

    @Spec(Target.MIXEE)
    private CommandSpec command;

    /** Returns whether one is named. */
    boolean isNamed() {
        return folder != null;
    }

    /** Opens the one that is named. */
    ZImageModel open() {
        return parts.open(download.located(Objects.requireNonNull(folder), command));
    }
}
