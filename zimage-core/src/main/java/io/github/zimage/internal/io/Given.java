package io.github.zimage.internal.io;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Refuses null by the name of what was given. */
public final class Given {
    private Given() {}

    public static <T> T value(@Nullable T value, String name) {
        return Objects.requireNonNull(value, () -> name + " must not be null");
    }

    /** Returns a copy. */
    public static <T> List<T> list(@Nullable List<? extends T> list, String name) {
        for (Object each : value(list, name)) {
            Objects.requireNonNull(each, () -> name + " must not hold null");
        }
        return List.copyOf(value(list, name));
    }
}
