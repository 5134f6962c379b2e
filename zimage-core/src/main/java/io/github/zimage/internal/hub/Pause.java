package io.github.zimage.internal.hub;

import java.time.Duration;

/** How a thread waits. */
@FunctionalInterface
public interface Pause {
    /** Waits. */
    void take(Duration time) throws InterruptedException;
}
