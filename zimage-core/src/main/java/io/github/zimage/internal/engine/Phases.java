package io.github.zimage.internal.engine;

import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.NativeErrors;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The phases of one request, or of the loading: each runs on the device of its component, with its peak of memory noted, and if an allocation
 * fails anywhere, that phase is tried once more with less memory.
 */
final class Phases {
    private final LoadedModel model;
    private final Relief relief;
    private boolean mayRetry = true;

    /** None has run yet, and nothing has been tried again. */
    Phases(LoadedModel model, Relief relief) {
        this.model = model;
        this.relief = relief;
    }

    /**
     * Runs a phase.
     *
     * @param work may run twice
     */
    <T> T run(Phase phase, Supplier<T> work) {
        return relieved(phase, () -> model.on(phase, work));
    }

    /**
     * Does work for a phase, such as loading, which enters devices itself.
     *
     * @param work may run twice
     */
    <T extends @Nullable Object> T relieved(Phase phase, Supplier<T> work) {
        try {
            return work.get();
        } catch (RuntimeException e) {
            if (!(NativeErrors.translate(e) instanceof OutOfDeviceMemoryException failure)) {
                throw e;
            }
            if (!mayRetry) {
                throw relief.explained(phase, failure);
            }
            mayRetry = false;
            model.shrink(relief.smaller(model.options(), phase, failure));
        }
        return relieved(phase, work);
    }
}
