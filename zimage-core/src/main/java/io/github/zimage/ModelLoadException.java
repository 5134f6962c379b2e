package io.github.zimage;

import org.jspecify.annotations.Nullable;

/** A checkpoint is missing, damaged or of a kind that is not supported. The message names the file. */
public final class ModelLoadException extends ZImageException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message. */
    public ModelLoadException(String message) {
        super(message);
    }

    /** Creates an exception with a message and what caused it. */
    public ModelLoadException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
