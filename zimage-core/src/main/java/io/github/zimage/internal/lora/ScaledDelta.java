package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A difference whose rows are multiplied by the factors of DoRA. */
record ScaledDelta(Delta delta, DoraFactors factorsOfRows) implements Delta {

    @Override
    public String kind() {
        return delta.kind() + " with DoRA";
    }

    @Override
    public List<TensorEntry> factors() {
        return delta.factors();
    }

    @Override
    public List<Long> shape() {
        return delta.shape();
    }

    @Override
    public int rank() {
        return delta.rank();
    }

    @Override
    public double scale() {
        return delta.scale();
    }

    @Override
    public Delta times(double factor) {
        return new ScaledDelta(delta.times(factor), factorsOfRows);
    }

    @Override
    public @Nullable Delta rows(long first, long count) {
        return null;
    }

    @Override
    public void addRows(FileReader files, long first, float[] rows) throws IOException {
        float[] own = new float[rows.length];
        delta.addRows(files, first, own);
        float[] scales = factorsOfRows.factors(files);
        int columns = Math.toIntExact(shape().get(1));
        for (int i = 0; i < rows.length; i++) {
            rows[i] += own[i] * scales[Math.toIntExact(first + i / columns)];
        }
    }
}
