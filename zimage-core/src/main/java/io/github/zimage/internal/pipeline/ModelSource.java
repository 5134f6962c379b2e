package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.internal.singlefile.ModelFiles;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Where a pipeline's model comes from: one that is open and stays so, or files that are opened for each use. Not thread-safe. */
public final class ModelSource {
    private @Nullable OpenModel model;
    private @Nullable Path main;
    private final Map<Component, Path> parts = new HashMap<>();
    private @Nullable Path tokenizer;
    private @Nullable String variant;
    private @Nullable Path controlNet;

    /** Sets one that is open, in place of any other. */
    public void set(OpenModel open) {
        model = open;
        main = null;
    }

    /** Sets a checkpoint's folder or file, in place of any other model. */
    public void set(Path checkpoint) {
        main = checkpoint;
        model = null;
    }

    /** Sets where a part of the model lies that is elsewhere, for one that is not open yet. */
    public void set(Component component, Path place) {
        parts.put(component, place);
    }

    /** Sets where the tokenizer lies, if it is elsewhere. */
    public void setTokenizer(Path place) {
        tokenizer = place;
    }

    /** Sets the variant of the weights' files, for a folder. */
    public void setVariant(String name) {
        variant = name;
    }

    /** Sets a ControlNet beside it, a file or a folder. */
    public void setControlNet(Path fileOrFolder) {
        controlNet = fileOrFolder;
    }

    /** Returns the ControlNet, or null if there is none. */
    public @Nullable Path controlNet() {
        return controlNet;
    }

    /**
     * Does something with the model.
     *
     * @throws IllegalStateException if there is none, or it is closed
     */
    public <T> T use(Function<OpenModel, T> task) {
        if (model != null) {
            model.requireOpen();
            return task.apply(model);
        }
        if (main == null) {
            throw new IllegalStateException("model must be set to the checkpoint's folder or file, but was not");
        }
        ModelFiles files =
                new ModelFiles(main, parts.get(Component.TEXT_ENCODER), parts.get(Component.VAE), tokenizer, variant);
        try (OpenModel open = OpenModel.open(files)) {
            return task.apply(open);
        }
    }
}
