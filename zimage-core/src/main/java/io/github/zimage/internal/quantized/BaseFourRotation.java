package io.github.zimage.internal.quantized;

/**
 * Rotates neighbours into each other by a symmetric Hadamard matrix of 4^n rows, which is its own inverse: the Kronecker product of n
 * matrices of 4 rows with -1/2 where row and column add up to 3, and 1/2 elsewhere.
 */
final class BaseFourRotation {
    private BaseFourRotation() {}

    /** Returns whether so many neighbours can be rotated. */
    static boolean suits(int size) {
        return size > 1 && Integer.bitCount(size) == 1 && Integer.numberOfTrailingZeros(size) % 2 == 0;
    }

    /** Rotates some numbers of an array in place. */
    static void rotate(float[] values, int first, int size) {
        for (int step = 1; step < size; step *= 4) {
            for (int group = first; group < first + size; group += 4 * step) {
                for (int i = group; i < group + step; i++) {
                    float a = values[i];
                    float b = values[i + step];
                    float c = values[i + 2 * step];
                    float d = values[i + 3 * step];
                    values[i] = (a + b + (c - d)) / 2;
                    values[i + step] = (a + b - (c - d)) / 2;
                    values[i + 2 * step] = (a - b + (c + d)) / 2;
                    values[i + 3 * step] = (b - a + (c + d)) / 2;
                }
            }
        }
    }
}
