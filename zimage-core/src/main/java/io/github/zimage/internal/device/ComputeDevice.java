package io.github.zimage.internal.device;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.placement.Device;
import io.github.zimage.spi.Attention;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A device that is in use by one thread. Between {@link #enter} and the end of that guard, what the thread computes is ordered on the
 * device; no method but {@link #synchronize}, {@link Mark#await} and those about memory waits for it.
 */
public interface ComputeDevice extends AutoCloseable {
    /** Returns which device it is. */
    Device device();

    /** Returns where its tensors lie. */
    TensorPlace place();

    /**
     * Returns the attention backend of a name; for {@link AttentionBackend#AUTO} the best for this device.
     *
     * @param precision what it will compute in
     * @throws IllegalArgumentException if there is none of that name, or it cannot run here; the message says why
     */
    Attention attention(AttentionBackend wanted, Precision precision);

    /**
     * Returns kernels.
     *
     * @throws IllegalArgumentException if the device cannot compute in the precision; the message says why
     */
    Kernels kernels(Attention attention, Precision precision);

    /**
     * Returns where the blocks of a component wait that come and go.
     *
     * @param units the blocks' names
     * @param layout how each lies in a slot
     * @param inMemory whether they may be kept in main memory, rather than be read from the files each time
     */
    BlockSource blockSource(WeightIndex index, List<String> units, UnitLayout layout, boolean inMemory);

    /** Returns a recorder, or null if nothing can be recorded here. */
    @Nullable
    Recorder recorder();

    /** Makes this the device that the current thread computes on, until the guard is closed. Guards can be nested. */
    Guard enter();

    /** Marks the end of all that has been ordered. */
    Mark mark();

    /** Waits for all that has been ordered. */
    void synchronize();

    /** Returns how many more bytes could be allocated; {@link Long#MAX_VALUE} if that is not known. */
    long freeBytes();

    /** Returns how many bytes of tensors and slots are allocated. */
    long allocatedBytes();

    /** Returns the most bytes that the device's allocator has held since {@link #resetPeak}. */
    long peakBytes();

    /** Begins to look for the peak anew. */
    void resetPeak();

    /** Gives back what the allocator keeps for later. */
    void emptyCache();

    /**
     * Lets the device's libraries try all their convolutions and keep the fastest, or not, as at first. Trying them needs several times
     * the memory of the one that is kept.
     */
    void tryConvolutions(boolean tries);

    /** Ends the use. Whatever was made by this is closed before. */
    @Override
    void close();

    /** Undoes what {@link #enter} did. */
    interface Guard extends AutoCloseable {
        @Override
        void close();
    }

    /** A point in what has been ordered. */
    interface Mark {
        /** Waits until the device is there. May be called once. */
        void await();
    }
}
