package io.github.zimage.internal.pipeline;

import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Where a pipeline's model comes from: one that is open and stays so, or a folder that is opened for each use. Not thread-safe. */
public final class ModelSource {
    private @Nullable OpenModel model;
    private @Nullable Path folder;
    private @Nullable String variant;

    /** Sets one that is open, in place of any other. */
    public void set(OpenModel open) {
        model = open;
        folder = null;
    }

    /** Sets a checkpoint's folder, in place of any other model. */
    public void set(Path checkpoint) {
        folder = checkpoint;
        model = null;
    }

    /** Sets the variant of the weights' files, for a folder. */
    public void setVariant(String name) {
        variant = name;
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
        if (folder == null) {
            throw new IllegalStateException("model must be set to the checkpoint's folder, but was not");
        }
        try (OpenModel open = OpenModel.open(folder, variant)) {
            return task.apply(open);
        }
    }
}
