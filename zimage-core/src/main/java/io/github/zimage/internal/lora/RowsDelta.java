package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;

/** Some rows of a difference whose factors cannot be divided. */
record RowsDelta(Delta whole, long first, long count) implements Delta {

    /** Returns some rows of a difference, by its own means if it has them. */
    static Delta of(Delta whole, long first, long count) {
        Delta own = whole.rows(first, count);
        return own == null ? new RowsDelta(whole, first, count) : own;
    }

    @Override
    public String kind() {
        return whole.kind();
    }

    @Override
    public List<TensorEntry> factors() {
        return whole.factors();
    }

    @Override
    public List<Long> shape() {
        return List.of(count, whole.shape().get(1));
    }

    @Override
    public int rank() {
        return whole.rank();
    }

    @Override
    public double scale() {
        return whole.scale();
    }

    @Override
    public Delta times(double factor) {
        return new RowsDelta(whole.times(factor), first, count);
    }

    @Override
    public Delta rows(long from, long some) {
        return new RowsDelta(whole, first + from, some);
    }

    @Override
    public void addRows(FileReader files, long from, float[] rows) throws IOException {
        whole.addRows(files, first + from, rows);
    }

    @Override
    public String key() {
        return "rows " + first + " to " + (first + count) + " of " + whole.key();
    }
}
