package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import io.github.zimage.tuning.Tuner;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The checkpoint that a command is about, which has to be named. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CheckpointOptions {
    @Option(
            names = {"-m", "--model"},
            required = true,
            paramLabel = "DIR|FILE|NAME",
            description =
                    "Folder of a Z-Image checkpoint in the diffusers layout, a safetensors or GGUF file, or a name on a hub.")
    private Path folder;

    @Mixin
    private PartOptions parts;

    @Mixin
    private DownloadOptions download;

    @Spec(Target.MIXEE)
    private CommandSpec command;

    /** Opens it. */
    ZImageModel open() {
        return parts.open(download.located(folder, command));
    }

    /** Has a tuner open it. */
    void apply(Tuner.Builder tuner) {
        tuner.files(parts.files(download.located(folder, command)));
    }
}
