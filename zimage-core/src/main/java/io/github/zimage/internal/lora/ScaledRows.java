package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;

/** The rows of a matrix, each times a factor of DoRA. */
final class ScaledRows extends FactorRows {
    private final TensorEntry matrix;
    private final DoraFactors factors;

    private ScaledRows(TensorEntry matrix, DoraFactors factors) {
        super(
                Math.toIntExact(matrix.shape().get(1)),
                List.of(matrix),
                factors.key() + matrix.offset() + matrix.data().key());
        this.matrix = matrix;
        this.factors = factors;
    }

    /** Returns a matrix [out, n] with its rows scaled. */
    static TensorEntry of(TensorEntry matrix, DoraFactors factors) {
        return new ScaledRows(matrix, factors).entry(matrix.name(), matrix.shape());
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        float[] own = RowData.floats(files, matrix, first * columns(), values.length);
        float[] scales = factors.factors(files);
        for (int i = 0; i < values.length; i++) {
            values[i] = own[i] * scales[Math.toIntExact(first + i / columns())];
        }
    }
}
