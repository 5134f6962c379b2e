package io.github.zimage.cuda;

import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * Copies from the machine's memory to a card, beside what the card computes. Apart from {@link #await} and {@link #drain} no method waits for the
 * card. All but {@link #computed} and {@link #computeAfter} can be called by any thread. Each event is used up by one call.
 *
 * @param <E> an event: a point in the order of copies or of computations
 */
interface Copies<E> extends AutoCloseable {
    /** Returns memory that the card can read by itself, or null if there is not enough. */
    @Nullable
    Pointer allocate(long bytes);

    /** Frees such memory, which nothing may be copied from any more. */
    void free(Pointer memory);

    /**
     * Orders a copy.
     *
     * @param from what {@link #allocate} gave, or null to copy nothing, only keep the order
     * @param to where on the card
     * @param after what must have happened before, or null
     * @return the end of the copy
     */
    E copy(@Nullable Pointer from, Pointer to, long bytes, @Nullable E after);

    /** Orders what the current thread computes from now on after a copy. */
    void computeAfter(E copied);

    /** Returns the end of what the current thread has ordered to be computed. */
    E computed();

    /** Returns another event of the same point. */
    E again(E event);

    /** Waits until an event has happened. */
    void await(E event);

    /** Waits for all copies that have been ordered. */
    void drain();

    /** Frees what copies need. */
    @Override
    void close();
}
