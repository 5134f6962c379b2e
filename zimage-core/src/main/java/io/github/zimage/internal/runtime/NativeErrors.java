package io.github.zimage.internal.runtime;

import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.util.Locale;

/** Turns what LibTorch throws, a message followed by a C++ stack trace, into our exceptions. The original stays as cause. */
public final class NativeErrors {
    private NativeErrors() {}

    /** Returns our exception for one that came from native code; any other, such as a listener's, is returned as it is. */
    public static RuntimeException translate(RuntimeException e) {
        StackTraceElement[] trace = e.getStackTrace();
        if (e.getClass() != RuntimeException.class || trace.length == 0 || !trace[0].isNativeMethod()) {
            return e;
        }
        String line = firstLine(e);
        String lower = line.toLowerCase(Locale.ROOT);
        if (lower.contains("can't allocate memory")
                || lower.contains("cannot allocate memory")
                || lower.contains("bad_alloc")
                || lower.contains("not enough memory")
                || lower.contains("out of memory")) {
            return new OutOfDeviceMemoryException(
                    "not enough memory (" + line + "); draw a smaller picture, fewer at once, or in a lower precision",
                    e);
        }
        return new ZImageException("LibTorch failed: " + line, e);
    }

    /** Returns the first line of an exception's message, or the name of its class if there is none. */
    public static String firstLine(Throwable e) {
        String message = e.getMessage();
        if (message == null || message.isBlank()) {
            return e.getClass().getSimpleName();
        }
        return message.strip().lines().findFirst().orElse("").strip();
    }
}
