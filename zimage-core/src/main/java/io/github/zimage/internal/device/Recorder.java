package io.github.zimage.internal.device;

import java.util.function.Supplier;

/**
 * Records what a thread orders on a device, so that all of it can be ordered again by one call. Belongs to the thread that computes
 * there. A recording reads and writes the same memory each time; what it needs in between it shares with the others of its recorder, so
 * that only what it leaves in tensors made before it was recorded is still there when another has run.
 */
public interface Recorder extends AutoCloseable {
    /**
     * Does work where it is to be recorded: what is chosen, loaded or allocated the first time must not come while it is recorded. Later
     * orders come after it.
     */
    <T> T rehearse(Supplier<T> work);

    /**
     * Records work, none of which is done yet. The work must not wait for the device, and tensors that it makes must not outlive it.
     *
     * @throws RuntimeException if it cannot be recorded; the device can be used as before
     */
    Recording record(Runnable work);

    /** Gives back what recording needed. All recordings are closed before. */
    @Override
    void close();

    /** Work that was recorded. */
    interface Recording extends AutoCloseable {
        /** Orders the work. */
        void replay();

        /** Waits until the work is done that was ordered, and gives back its memory. */
        @Override
        void close();
    }
}
