package io.github.zimage.internal.upscale;

import java.util.ArrayList;
import java.util.List;

/**
 * Some of the rows or columns of a picture.
 *
 * @param from the first
 * @param to the one after the last
 * @param size how many the picture has
 */
record Span(int from, int to, int size) {
    /** Cuts rows or columns into parts of about the same length, none longer than so many. */
    static List<Span> cut(int size, int most) {
        int parts = (size - 1) / most + 1;
        List<Span> spans = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            spans.add(new Span((int) ((long) size * i / parts), (int) ((long) size * (i + 1) / parts), size));
        }
        return spans;
    }

    int length() {
        return to - from;
    }

    /** Returns these and so many more on each side, as far as there are any. */
    Span widened(int by) {
        return new Span(Math.max(from - by, 0), Math.min(to + by, size), size);
    }

    /** Cuts these into parts of so many; the last may have fewer. */
    List<Span> strips(int most) {
        List<Span> strips = new ArrayList<>();
        for (int at = from; at < to; at += most) {
            strips.add(new Span(at, Math.min(at + most, to), size));
        }
        return strips;
    }
}
