package io.github.zimage.internal.engine;

import io.github.zimage.internal.placement.Phase;

/** Implemented by listeners that also hear of a request's phases. */
public interface PhaseWatch {
    /** A phase begins, on the device thread; twice if it is tried once more. */
    void onPhase(Phase phase);
}
