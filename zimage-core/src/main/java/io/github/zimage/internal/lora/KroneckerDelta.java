package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * LoKr: {@code scale * kron(w1, w2)}.
 *
 * @param w1 [o, i]
 * @param w2 [p, j], where o * p is the matrix's height and i * j its width
 */
record KroneckerDelta(Factor w1, Factor w2, double scale) implements Delta {

    @Override
    public String kind() {
        return "LoKr";
    }

    @Override
    public List<TensorEntry> factors() {
        return Stream.concat(w1.tensors().stream(), w2.tensors().stream()).toList();
    }

    @Override
    public List<Long> shape() {
        return List.of(Math.multiplyExact(w1.rows(), w2.rows()), Math.multiplyExact(w1.columns(), w2.columns()));
    }

    @Override
    public int rank() {
        return w2.rank() > 0 ? w2.rank() : w1.rank();
    }

    @Override
    public long products() {
        return w1.columns() * w2.rows() * (w2.columns() + w1.rows());
    }

    @Override
    public Delta times(double factor) {
        return new KroneckerDelta(w1, w2, scale * factor);
    }

    @Override
    public @Nullable Delta rows(long first, long count) {
        return first % w2.rows() == 0 && count % w2.rows() == 0
                ? new KroneckerDelta(w1.rows(first / w2.rows(), count / w2.rows()), w2, scale)
                : null;
    }

    @Override
    public void addRows(FileReader files, long first, float[] rows) throws IOException {
        float[] left = w1.floats(files);
        float[] right = w2.floats(files);
        int i = Math.toIntExact(w1.columns());
        int j = Math.toIntExact(w2.columns());
        IntStream.range(0, rows.length / (i * j)).parallel().forEach(row -> {
            int o = Math.toIntExact((first + row) / w2.rows());
            int p = Math.toIntExact((first + row) % w2.rows());
            for (int column = 0; column < i * j; column++) {
                rows[row * i * j + column] += (float) scale * left[o * i + column / j] * right[p * j + column % j];
            }
        });
    }
}
