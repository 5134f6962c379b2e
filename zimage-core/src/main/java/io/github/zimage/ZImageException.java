package io.github.zimage;

import org.jspecify.annotations.Nullable;

/** The root of the exceptions that zimage throws for anything but a wrong argument, a closed pipeline or a file that
 * cannot be written. */
public class ZImageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception whose message says what was wrong and what to do. */
    public ZImageException(String message) {
        super(message);
    }

    /** Creates an exception whose message says what was wrong and what to do, keeping what caused it. */
    public ZImageException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
