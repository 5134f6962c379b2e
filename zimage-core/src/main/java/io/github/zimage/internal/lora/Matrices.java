package io.github.zimage.internal.lora;

import java.util.stream.IntStream;

/** Products of small matrices on the Java heap, row by row. */
final class Matrices {
    private Matrices() {}

    /**
     * Adds a product to rows, on all processors.
     *
     * @param left [count, inner]
     * @param right [inner, columns]
     * @param rows [count, columns], changed
     */
    static void addProduct(float[] left, float[] right, int inner, int columns, double scale, float[] rows) {
        IntStream.range(0, rows.length / columns).parallel().forEach(row -> {
            for (int k = 0; k < inner; k++) {
                float factor = (float) (left[row * inner + k] * scale);
                int from = k * columns;
                int to = row * columns;
                for (int i = 0; i < columns; i++) {
                    rows[to + i] += factor * right[from + i];
                }
            }
        });
    }

    /** Returns the product of [rows, inner] and [inner, columns]. */
    static float[] product(float[] left, float[] right, int inner, int columns) {
        float[] product = new float[left.length / inner * columns];
        addProduct(left, right, inner, columns, 1, product);
        return product;
    }
}
