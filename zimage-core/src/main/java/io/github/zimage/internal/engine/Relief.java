package io.github.zimage.internal.engine;

import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.placement.Phase;

/** What is done when an allocation fails in a generation. */
public interface Relief {
    /** Lets the failure stand. */
    Relief NONE = new Relief() {
        @Override
        public EngineOptions smaller(EngineOptions options, Phase phase, OutOfDeviceMemoryException failure) {
            throw failure;
        }

        @Override
        public OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure) {
            return failure;
        }
    };

    /**
     * Returns how to compute from now on, so that a phase needs less; or the same again if nothing can be had.
     *
     * @param options how it was computed
     */
    EngineOptions smaller(EngineOptions options, Phase phase, OutOfDeviceMemoryException failure);

    /** Returns what to throw if the phase fails even so. */
    OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure);
}
