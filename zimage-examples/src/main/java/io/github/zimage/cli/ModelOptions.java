package io.github.zimage.cli;

import io.github.zimage.ImageSize;
import io.github.zimage.ZImageModel;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.internal.io.FileNames;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The model that draws: the one that is named, or that of the environment, or else the demo model. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ModelOptions {
    static final String VARIABLE = "ZIMAGE_MODEL";

    @Option(
            names = {"-m", "--model"},
            paramLabel = "DIR|FILE|NAME",
            description =
                    "Folder of a Z-Image checkpoint in the diffusers layout, a safetensors or GGUF file, or a name on a hub, such as Tongyi-MAI/Z-Image-Turbo (default: the environment variable "
                            + VARIABLE + ", else the demo model, which draws everyday things on plain backgrounds).")
    private @Nullable Path model;

    @Mixin
    private PartOptions parts;

    @Mixin
    private DownloadOptions download;

    @Spec(Target.MIXEE)
    private CommandSpec command;

    /** Returns whether no model was chosen, so that the demo model draws. */
    boolean isDemo() {
        return chosen() == null;
    }

    /** Returns what the model is called: the last part of what was named. */
    String name() {
        Path chosen = chosen();
        return chosen == null
                ? "zimage-demo"
                : Objects.requireNonNullElse(chosen.toAbsolutePath().normalize().getFileName(), chosen)
                        .toString();
    }

    /** Returns the width and height of pictures for which none is named. */
    int defaultSize() {
        return isDemo() ? DemoModel.SIZE : ImageSize.DEFAULT_SIDE;
    }

    private @Nullable Path chosen() {
        String variable = System.getenv(VARIABLE);
        return model == null && variable != null && !variable.isEmpty() ? FileNames.parse(VARIABLE, variable) : model;
    }

    /** Opens the model, after unpacking the demo model or downloading what is named, if somebody agrees. */
    ZImageModel open() {
        Path chosen = chosen();
        return parts.open(chosen == null ? DemoModel.path() : download.located(chosen, command));
    }
}
