package io.github.zimage;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** The device or the host has too little memory for what was asked. The message says what to change. */
public final class OutOfDeviceMemoryException extends ZImageException {
    private static final long serialVersionUID = 2L;
    private static final long UNKNOWN = -1;

    private final long requestedBytes;
    private final long freeBytes;
    private final long plannedBytes;

    /** Creates an exception with a message. */
    public OutOfDeviceMemoryException(String message) {
        this(message, null);
    }

    /** Creates an exception with a message and what caused it. */
    public OutOfDeviceMemoryException(String message, @Nullable Throwable cause) {
        this(message, cause, OptionalLong.empty(), OptionalLong.empty(), OptionalLong.empty());
    }

    /**
     * Creates an exception that says how many bytes were missing.
     *
     * @param requested size of the allocation that failed
     * @param free memory that was free then
     * @param planned what the plan predicted for the phase
     */
    public OutOfDeviceMemoryException(
            String message,
            @Nullable Throwable cause,
            OptionalLong requested,
            OptionalLong free,
            OptionalLong planned) {
        super(message, cause);
        requestedBytes = requested.orElse(UNKNOWN);
        freeBytes = free.orElse(UNKNOWN);
        plannedBytes = planned.orElse(UNKNOWN);
    }

    /** Returns the size of the allocation that failed, if it is known. */
    public OptionalLong requestedBytes() {
        return known(requestedBytes);
    }

    /** Returns how many bytes the device had free behind the failure, if that is known. */
    public OptionalLong freeBytes() {
        return known(freeBytes);
    }

    /** Returns how many bytes were planned to be in use while it happened, if a generation or loading failed. */
    public OptionalLong plannedBytes() {
        return known(plannedBytes);
    }

    private static OptionalLong known(long bytes) {
        return bytes == UNKNOWN ? OptionalLong.empty() : OptionalLong.of(bytes);
    }
}
