package io.github.zimage.internal.runtime;

import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Turns what LibTorch throws, a message followed by a C++ stack trace, into our exceptions. The original stays as cause. */
public final class NativeErrors {
    /** As LibTorch says it of the CPU and of a card. */
    private static final Pattern REQUESTED = Pattern.compile(
            "[Tt]ried to allocate (?<number>[0-9]{1,18}(\\.[0-9]{1,9})?) (?<unit>bytes|KiB|MiB|GiB|TiB)");

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
                || lower.contains("out of memory")
                || lower.contains("alloc_failed")) {
            return new OutOfDeviceMemoryException(
                    "not enough memory (" + line + "); draw a smaller picture, fewer at once, or in a lower precision",
                    e);
        }
        return new ZImageException("LibTorch failed: " + line, e);
    }

    /** Returns how many bytes an allocation that failed was for, if the message of it says so, or 0. */
    public static long requestedBytes(Throwable failure) {
        Matcher bytes = REQUESTED.matcher(String.valueOf(failure.getMessage()));
        if (!bytes.find()) {
            return 0;
        }
        String unit = bytes.group("unit");
        double factor = unit.equals("bytes") ? 1 : Math.pow(1024, "KMGT".indexOf(unit.charAt(0)) + 1.0);
        return (long) (Double.parseDouble(bytes.group("number")) * factor);
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
