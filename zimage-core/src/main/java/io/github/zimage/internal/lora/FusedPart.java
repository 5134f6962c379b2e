package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.RowData;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.IOException;
import java.util.List;

/**
 * A part of a matrix that the model has in several, such as the queries' of queries, keys and values. Files that were made of several adapters have
 * their first factors one below the other and their second ones along a diagonal, with zeros beside: a part then only needs its own.
 */
final class FusedPart {
    private FusedPart() {}

    /**
     * Returns some rows of what is added to the fused matrix.
     *
     * @param number which of the parts, from 0
     * @param parts how many there are
     */
    static Delta of(Delta whole, int number, int parts, long first, long count) {
        Delta rows = RowsDelta.of(whole, first, count);
        if (rows instanceof LowRankDelta part && part.rank() % parts == 0) {
            LowRank all = part.lowRank();
            int own = all.rank() / parts;
            if (isZeroBeside(all.up(), number * own, own)) {
                TensorEntry up =
                        new Columns(all.up(), number * own, own).entry(all.up().name(), List.of(count, (long) own));
                return new LowRankDelta(all.down().rows(all.down().name(), (long) number * own, own), up, part.scale());
            }
        }
        return rows;
    }

    private static boolean isZeroBeside(TensorEntry matrix, int first, int count) {
        int columns = Math.toIntExact(matrix.shape().get(1));
        try (TensorFiles files = new TensorFiles()) {
            float[] numbers = RowData.floats(files, matrix);
            for (int i = 0; i < numbers.length; i++) {
                int column = i % columns;
                if (numbers[i] != 0 && (column < first || column >= first + count)) {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Some columns of a matrix. */
    private static final class Columns extends FactorRows {
        private final TensorEntry matrix;
        private final int first;

        Columns(TensorEntry matrix, int first, int count) {
            super(count, List.of(matrix), "from " + first + " at " + matrix.offset());
            this.matrix = matrix;
            this.first = first;
        }

        @Override
        protected void rows(FileReader files, long row, float[] values) throws IOException {
            int width = Math.toIntExact(matrix.shape().get(1));
            int count = values.length / columns();
            float[] whole = RowData.floats(files, matrix, row * width, count * width);
            for (int i = 0; i < count; i++) {
                System.arraycopy(whole, i * width + first, values, i * columns(), columns());
            }
        }
    }
}
