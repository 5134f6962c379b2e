package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * LoHa: {@code scale * (w1a w1b) ∘ (w2a w2b)}, which is a product of two matrices as well, of a rank that is the product of both ranks:
 * their columns and rows are all products of a column or row of each.
 *
 * @param w1a [out, rank]
 * @param w1b [rank, in]
 * @param w2a [out, rank]
 * @param w2b [rank, in]
 */
record HadamardDelta(TensorEntry w1a, TensorEntry w1b, TensorEntry w2a, TensorEntry w2b, double scale)
        implements Delta {

    @Override
    public String kind() {
        return "LoHa";
    }

    @Override
    public List<TensorEntry> factors() {
        return List.of(w1a, w1b, w2a, w2b);
    }

    @Override
    public List<Long> shape() {
        return List.of(w1a.shape().get(0), w1b.shape().get(1));
    }

    @Override
    public int rank() {
        return Math.toIntExact(w1b.shape().get(0));
    }

    private int secondRank() {
        return Math.toIntExact(w2b.shape().get(0));
    }

    @Override
    public Delta times(double factor) {
        return new HadamardDelta(w1a, w1b, w2a, w2b, scale * factor);
    }

    @Override
    public Delta rows(long first, long count) {
        return new HadamardDelta(
                w1a.rows(w1a.name(), first, count), w1b, w2a.rows(w2a.name(), first, count), w2b, scale);
    }

    @Override
    public void addRows(FileReader files, long first, float[] rows) throws IOException {
        int columns = Math.toIntExact(w1b.shape().get(1));
        int count = rows.length / columns;
        float[] left = Matrices.product(
                RowData.floats(files, w1a, first * rank(), count * rank()),
                RowData.floats(files, w1b),
                rank(),
                columns);
        float[] right = Matrices.product(
                RowData.floats(files, w2a, first * secondRank(), count * secondRank()),
                RowData.floats(files, w2b),
                secondRank(),
                columns);
        for (int i = 0; i < rows.length; i++) {
            rows[i] += (float) scale * left[i] * right[i];
        }
    }

    @Override
    public @Nullable LowRank lowRank() {
        long out = shape().get(0);
        long in = shape().get(1);
        long rank = (long) rank() * secondRank();
        if (rank * (out + in) >= out * in) {
            return null;
        }
        return new LowRank(
                new PairedRows(Math.toIntExact(in)).entry("down", List.of(rank, in)),
                new PairedColumns(Math.toIntExact(rank)).entry("up", List.of(out, rank)),
                scale);
    }

    /** All products of a row of w1b and one of w2b. */
    private final class PairedRows extends FactorRows {
        PairedRows(int columns) {
            super(columns, HadamardDelta.this, "rows");
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) throws IOException {
            float[] second = RowData.floats(files, w2b);
            for (int row = 0; row < values.length / columns(); row++) {
                int pair = Math.toIntExact(first + row);
                float[] one = RowData.floats(files, w1b, (long) pair / secondRank() * columns(), columns());
                int other = pair % secondRank() * columns();
                for (int i = 0; i < columns(); i++) {
                    values[row * columns() + i] = one[i] * second[other + i];
                }
            }
        }
    }

    /** For each row, all products of one of its numbers in w1a and one in w2a. */
    private final class PairedColumns extends FactorRows {
        PairedColumns(int columns) {
            super(columns, HadamardDelta.this, "columns");
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) throws IOException {
            int count = values.length / columns();
            float[] one = RowData.floats(files, w1a, first * rank(), count * rank());
            float[] second = RowData.floats(files, w2a, first * secondRank(), count * secondRank());
            for (int i = 0; i < values.length; i++) {
                int row = i / columns();
                int pair = i % columns();
                values[i] = one[row * rank() + pair / secondRank()] * second[row * secondRank() + pair % secondRank()];
            }
        }
    }
}
