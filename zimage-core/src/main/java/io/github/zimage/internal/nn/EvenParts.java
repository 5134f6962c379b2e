package io.github.zimage.internal.nn;

import org.bytedeco.javacpp.PointerScope;

/** Divides rows into parts that are as few as their largest length allows, and as long as each other: a short one at the end would be slow. */
final class EvenParts {
    /** Instructions for matrices take so many rows at once. */
    private static final long MULTIPLE = 16;

    private EvenParts() {}

    /** Returns the length of all parts but the last, which may be shorter: a multiple of 16, or {@code largest}. */
    static long length(long rows, long largest) {
        long parts = Math.max(1, ceilDiv(rows, largest));
        return Math.min(largest, ceilDiv(ceilDiv(rows, parts), MULTIPLE) * MULTIPLE);
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    /** Runs a computation on one part after the other, each in a scope of its own. */
    static void run(long rows, long largest, Kernels.RowRange computation) {
        long part = length(rows, largest);
        for (long row = 0; row < rows; row += part) {
            try (PointerScope scope = new PointerScope()) {
                computation.run(row, Math.min(part, rows - row));
            }
        }
    }
}
