package io.github.zimage;

import org.jspecify.annotations.Nullable;

/** A generation was cancelled, or its pipeline closed, before it was done. */
public final class GenerationCancelledException extends ZImageException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message. */
    public GenerationCancelledException(String message) {
        super(message);
    }

    /** Creates an exception with a message and what caused it. */
    public GenerationCancelledException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
