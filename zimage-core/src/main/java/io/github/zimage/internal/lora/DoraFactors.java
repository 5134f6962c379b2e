package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What DoRA multiplies the rows of a matrix and its difference by, so that they get the lengths that were learned: {@code m / |W + D|},
 * as in peft and LyCORIS. Computed once, when it is needed; thread-safe.
 */
final class DoraFactors extends FactorRows {
    private static final int PIECE_NUMBERS = 1 << 20;

    private final TensorEntry matrix;
    private final Delta delta;
    private final TensorEntry magnitude;
    private float @Nullable [] factors;

    /**
     * Prepares for a matrix.
     *
     * @param matrix [out, in] of F32, F16 or BF16
     * @param delta what is added to it at weight 1
     * @param magnitude the lengths, [out] or [out, 1]
     */
    DoraFactors(TensorEntry matrix, Delta delta, TensorEntry magnitude) {
        super(1, tensors(matrix, delta, magnitude), delta.key() + magnitude.offset() + matrix.name());
        this.matrix = matrix;
        this.delta = delta;
        this.magnitude = magnitude;
    }

    private static List<TensorEntry> tensors(TensorEntry matrix, Delta delta, TensorEntry magnitude) {
        List<TensorEntry> all = new ArrayList<>(delta.factors());
        all.add(magnitude);
        all.add(matrix);
        return all;
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        System.arraycopy(factors(files), Math.toIntExact(first), values, 0, values.length);
    }

    /** Returns one a row. */
    synchronized float[] factors(FileReader files) throws IOException {
        float[] known = factors;
        if (known == null) {
            known = computed(files);
            factors = known;
        }
        return known;
    }

    private float[] computed(FileReader files) throws IOException {
        int columns = Math.toIntExact(matrix.shape().get(1));
        int rows = Math.toIntExact(matrix.shape().get(0));
        float[] lengths = RowData.floats(files, magnitude);
        int most = Math.max(1, PIECE_NUMBERS / columns);
        for (int first = 0; first < rows; first += most) {
            int count = Math.min(most, rows - first);
            float[] sum = RowData.floats(files, matrix, (long) first * columns, count * columns);
            delta.addRows(files, first, sum);
            for (int row = 0; row < count; row++) {
                lengths[first + row] = (float) (lengths[first + row] / length(sum, row * columns, columns));
            }
        }
        return lengths;
    }

    private static double length(float[] values, int first, int count) {
        double squares = 0;
        for (int i = first; i < first + count; i++) {
            squares += (double) values[i] * values[i];
        }
        return Math.max(Math.sqrt(squares), Float.MIN_NORMAL);
    }
}
