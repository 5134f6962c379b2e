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
    private final Runner runner;
    private final Relief relief;
    private boolean mayRetry = true;

    /** What phases run on, and what can do with less memory. */
    interface Runner {
        /** Runs a phase on the device of its component. */
        <T> T on(Phase phase, Supplier<T> work);

        /** Returns how it computes. */
        EngineOptions options();

        /** Goes on with less memory. */
        void shrink(EngineOptions smaller);
    }

    /** None has run yet, and nothing has been tried again. */
    Phases(Runner runner, Relief relief) {
        this.runner = runner;
        this.relief = relief;
    }

    /**
     * Runs a phase.
     *
     * @param work may run twice
     */
    <T> T run(Phase phase, Supplier<T> work) {
        return attempt(phase, () -> runner.on(phase, work));
    }

    /**
     * Does work for a phase, such as loading, which enters devices itself, and once more with less memory if an allocation fails.
     *
     * @param work may run twice
     */
    <T extends @Nullable Object> T attempt(Phase phase, Supplier<T> work) {
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
            runner.shrink(relief.smaller(runner.options(), phase, failure));
        }
        return attempt(phase, work);
    }
}
