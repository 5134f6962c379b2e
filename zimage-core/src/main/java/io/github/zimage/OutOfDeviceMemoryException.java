package io.github.zimage;

import org.jspecify.annotations.Nullable;

/** The device or the host has too little memory for what was asked. The message says what to change. */
public final class OutOfDeviceMemoryException extends ZImageException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message. */
    public OutOfDeviceMemoryException(String message) {
        super(message);
    }

    /** Creates an exception with a message and what caused it. */
    public OutOfDeviceMemoryException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
