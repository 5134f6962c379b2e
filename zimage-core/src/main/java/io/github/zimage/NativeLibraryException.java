package io.github.zimage;

import org.jspecify.annotations.Nullable;

/** The native libraries cannot be found or loaded. The message names the Maven coordinate to add. */
public final class NativeLibraryException extends ZImageException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message. */
    public NativeLibraryException(String message) {
        super(message);
    }

    /** Creates an exception with a message and what caused it. */
    public NativeLibraryException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
