package io.github.zimage.cli;

import io.github.zimage.ZImageModel;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A command's model, opened when it is first needed, so that what is wrong with the options is said before. Not thread-safe. */
final class LazyModel implements AutoCloseable {
    private final Supplier<ZImageModel> opening;
    private @Nullable ZImageModel model;

    LazyModel(Supplier<ZImageModel> opening) {
        this.opening = opening;
    }

    ZImageModel get() {
        ZImageModel opened = model;
        if (opened == null) {
            opened = opening.get();
            model = opened;
        }
        return opened;
    }

    @Override
    public void close() {
        if (model != null) {
            model.close();
        }
    }
}
