package io.github.zimage.placement;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An amount of memory. Units are binary, as those of {@code java -Xmx} and of graphics cards: a gigabyte has 1024 megabytes.
 *
 * @param bytes how many bytes, at least one
 */
public record MemorySize(long bytes) implements Comparable<MemorySize> {
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final Pattern TEXT = Pattern.compile("(?<number>\\d{1,12}(\\.\\d{1,6})?)\\s*(?<unit>[kmgt])(i?b)?");

    /** Checks the number. */
    public MemorySize {
        if (bytes < 1) {
            throw new IllegalArgumentException("memory must be at least 1 byte, but was " + bytes);
        }
    }

    /** Returns a number of gigabytes of 1024 megabytes. */
    public static MemorySize gib(double count) {
        return of(count, GIB);
    }

    /** Returns a number of megabytes of 1024 kilobytes. */
    public static MemorySize mib(double count) {
        return of(count, MIB);
    }

    /**
     * Reads an amount such as {@code 8g}, {@code 1.5g}, {@code 512m} or {@code 16GiB}. The unit is k, m, g or t, with or without
     * {@code b} or {@code ib} behind it.
     *
     * @throws IllegalArgumentException if the text is none
     */
    public static MemorySize parse(String text) {
        Matcher matcher = TEXT.matcher(Given.value(text, "memory").strip().toLowerCase(Locale.ROOT));
        if (!matcher.matches()) {
            throw new IllegalArgumentException("memory must be a number with a unit, such as 8g or 512m, but was '%s'"
                    .formatted(ShownText.cut(text)));
        }
        long unit = 1L << (10 * (1 + "kmgt".indexOf(matcher.group("unit"))));
        return of(Double.parseDouble(matcher.group("number")), unit);
    }

    private static MemorySize of(double count, long unit) {
        double bytes = count * unit;
        if (!(bytes >= 1 && bytes < 0x1p62)) {
            throw new IllegalArgumentException(
                    "memory must be between 1 byte and 4096 petabytes, but was %s x %d bytes".formatted(count, unit));
        }
        return new MemorySize(Math.round(bytes));
    }

    @Override
    public int compareTo(MemorySize other) {
        return Long.compare(bytes, other.bytes);
    }

    /** Returns the amount for people, such as {@code 7.9 GiB}. */
    @Override
    public String toString() {
        return bytes < GIB ? String.format(Locale.ROOT, "%d MiB", Math.round((double) bytes / MIB)) : gibibytes(bytes);
    }

    /** Returns an amount, which may be none, in the unit of tables. */
    static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GiB", (double) bytes / GIB);
    }
}
