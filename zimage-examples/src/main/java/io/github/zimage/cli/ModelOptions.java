package io.github.zimage.cli;

import io.github.zimage.ImageSize;
import io.github.zimage.ZImageModel;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.internal.io.FileNames;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The model that draws: the one that is named, or that of the environment, or else the demo model. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ModelOptions {
    static final String VARIABLE = "ZIMAGE_MODEL";

    @Option(
            names = {"-m", "--model"},
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout (default: the environment variable "
                    + VARIABLE + ", else the demo model, which draws everyday things on plain backgrounds).")
    private @Nullable Path model;

    @Mixin
    private VariantOption variant;

    /** Returns whether no model was chosen, so that the demo model draws. */
    boolean isDemo() {
        return chosen() == null;
    }

    /** Returns the folder, after unpacking the demo model if it is that. */
    Path folder() {
        Path chosen = chosen();
        return chosen == null ? DemoModel.path() : chosen;
    }

    /** Returns the width and height of pictures for which none is named. */
    int defaultSize() {
        return isDemo() ? DemoModel.SIZE : ImageSize.DEFAULT_SIDE;
    }

    private @Nullable Path chosen() {
        String variable = System.getenv(VARIABLE);
        return model == null && variable != null && !variable.isEmpty() ? FileNames.parse(VARIABLE, variable) : model;
    }

    /** Opens the model, after unpacking the demo model if it is that. */
    ZImageModel open() {
        return variant.open(folder());
    }
}
