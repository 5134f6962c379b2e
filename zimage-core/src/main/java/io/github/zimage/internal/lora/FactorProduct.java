package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;

/** A factor of a Kronecker product as a matrix, times a number. */
final class FactorProduct extends FactorRows {
    private final Factor factor;
    private final double scale;

    private FactorProduct(Factor factor, double scale) {
        super(Math.toIntExact(factor.columns()), factor.tensors(), "times " + scale);
        this.factor = factor;
        this.scale = scale;
    }

    static TensorEntry of(String name, Factor factor, double scale) {
        return new FactorProduct(factor, scale).entry(name, List.of(factor.rows(), factor.columns()));
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        float[] all = factor.floats(files);
        int from = Math.toIntExact(first * columns());
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (all[from + i] * scale);
        }
    }
}
