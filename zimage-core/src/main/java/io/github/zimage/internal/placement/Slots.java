package io.github.zimage.internal.placement;

import io.github.zimage.internal.runtime.TensorSource;

/**
 * Memory on the device that computes, which blocks come to.
 *
 * @param <E> what the device calls an event
 */
public interface Slots<E> extends UnitSchedule.Device<E>, AutoCloseable {
    /** Returns the weights in a slot, whichever block's they are, by the names of the first block's. */
    TensorSource weights(int slot);

    /** Frees what sources of a slot gave and own. */
    void release(int slot);

    /** Ends what is on its way, and frees the slots. */
    @Override
    void close();
}
