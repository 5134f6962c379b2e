package io.github.zimage.internal.device;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.placement.Device;
import java.util.List;
import java.util.OptionalLong;

/** Devices of a kind that a module beside the core computes on, found through {@link java.util.ServiceLoader}. */
public interface Accelerator {
    /** Returns what the devices are. Calls no native code, as all but {@link #status} and {@link #open}. */
    Device.Kind kind();

    /** Returns the names of the attention backends, without {@link AttentionBackend#AUTO}. */
    List<String> attentionNames();

    /** Returns what components can compute in. */
    List<Precision> precisions();

    /**
     * Looks for devices, loading native libraries if need be. Always tells of the same devices, with the memory that is free now. Never
     * throws because there are none.
     */
    Status status();

    /**
     * Begins to use a device. Called by the thread that will compute, after {@link #status} told of the device.
     *
     * @param index the device's
     * @param limit above how many bytes of the device's allocator allocations shall fail, if any
     */
    ComputeDevice open(int index, OptionalLong limit);
}
