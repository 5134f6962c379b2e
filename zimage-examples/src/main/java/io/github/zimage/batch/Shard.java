package io.github.zimage.batch;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One of several runs that share a table by the keys of its pictures, so that a request that is there twice belongs to one of them.
 *
 * @param index from 0
 * @param count how many there are
 */
public record Shard(int index, int count) {
    /** All of a table. */
    public static final Shard WHOLE = new Shard(0, 1);

    private static final Pattern TEXT = Pattern.compile("([0-9]{1,6})/([0-9]{1,6})");

    /** Checks that the index is one of the count. */
    public Shard {
        if (count < 1 || index < 0 || index >= count) {
            throw new IllegalArgumentException("a shard is i/n with i from 0 to n - 1, but was " + index + "/" + count);
        }
    }

    /** Reads {@code i/n}, with i from 0 as Kubernetes counts completion indexes. */
    public static Shard of(String text) {
        Matcher parts = TEXT.matcher(text);
        if (!parts.matches()) {
            throw new IllegalArgumentException("a shard is i/n, such as 0/4, but was '" + text + "'");
        }
        return new Shard(Integer.parseInt(parts.group(1)), Integer.parseInt(parts.group(2)));
    }

    boolean has(String key) {
        return Integer.parseInt(key.substring(0, 7), 16) % count == index;
    }

    /** Returns the name of its manifest. */
    public String manifestName() {
        return count == 1 ? "manifest.jsonl" : "manifest-%d-of-%d.jsonl".formatted(index, count);
    }
}
