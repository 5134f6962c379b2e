package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;

/**
 * A difference as such.
 *
 * @param difference [out, in], or [n]
 */
record FullDelta(TensorEntry difference, double scale) implements Delta {

    @Override
    public String kind() {
        return "difference";
    }

    @Override
    public List<TensorEntry> factors() {
        return List.of(difference);
    }

    @Override
    public List<Long> shape() {
        return difference.shape();
    }

    @Override
    public int rank() {
        return 0;
    }

    @Override
    public Delta times(double factor) {
        return new FullDelta(difference, scale * factor);
    }

    @Override
    public Delta rows(long first, long count) {
        return new FullDelta(difference.rows(difference.name(), first, count), scale);
    }

    @Override
    public void addRows(FileReader files, long first, float[] rows) throws IOException {
        long columns = difference.elements() / difference.shape().get(0);
        float[] own = RowData.floats(files, difference, first * columns, rows.length);
        for (int i = 0; i < rows.length; i++) {
            rows[i] += (float) scale * own[i];
        }
    }
}
