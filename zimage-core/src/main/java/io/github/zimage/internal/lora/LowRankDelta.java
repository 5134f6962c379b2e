package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;

/**
 * LoRA: {@code scale * up * down}.
 *
 * @param lowRank the two factors
 */
record LowRankDelta(LowRank lowRank) implements Delta {

    /** Creates one of factors [rank, in] and [out, rank]. */
    LowRankDelta(TensorEntry down, TensorEntry up, double scale) {
        this(new LowRank(down, up, scale));
    }

    @Override
    public String kind() {
        return "LoRA";
    }

    @Override
    public List<TensorEntry> factors() {
        return List.of(lowRank.down(), lowRank.up());
    }

    @Override
    public List<Long> shape() {
        return List.of(lowRank.up().shape().get(0), lowRank.down().shape().get(1));
    }

    @Override
    public int rank() {
        return lowRank.rank();
    }

    @Override
    public double scale() {
        return lowRank.scale();
    }

    @Override
    public Delta times(double factor) {
        return new LowRankDelta(lowRank.down(), lowRank.up(), scale() * factor);
    }

    @Override
    public Delta rows(long first, long count) {
        return new LowRankDelta(lowRank.down(), lowRank.up().rows(lowRank.up().name(), first, count), scale());
    }

    @Override
    public void addRows(FileReader files, long first, float[] rows) throws IOException {
        int columns = Math.toIntExact(lowRank.down().shape().get(1));
        int count = rows.length / columns;
        float[] down = RowData.floats(files, lowRank.down());
        float[] up = RowData.floats(files, lowRank.up(), first * rank(), count * rank());
        Matrices.addProduct(up, down, rank(), columns, scale(), rows);
    }
}
