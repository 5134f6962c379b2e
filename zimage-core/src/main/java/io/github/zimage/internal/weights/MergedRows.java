package io.github.zimage.internal.weights;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The rows of a matrix with what adapters add to it. */
final class MergedRows extends AddedRows {
    private final TensorEntry matrix;

    /** Creates rows of a matrix [out, in] of F32, F16 or BF16. */
    MergedRows(TensorEntry matrix, List<LowRank> additions) {
        super(Math.toIntExact(matrix.shape().get(1)), additions);
        this.matrix = matrix;
    }

    @Override
    public List<Path> files() {
        return Stream.concat(matrix.data().files().stream(), super.files().stream())
                .distinct()
                .toList();
    }

    @Override
    public String key() {
        return key(matrix) + " + " + super.key();
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        int count = values.length / columns();
        for (LowRank addition : additions()) {
            float[] down = down(files, addition); // [rank, in]
            float[] up = up(files, addition, first, count); // [count, rank]
            for (int row = 0; row < count; row++) {
                for (int k = 0; k < addition.rank(); k++) {
                    add(up[row * addition.rank() + k], down, k * columns(), values, row * columns());
                }
            }
        }
        float[] own = floats(files, matrix, first * columns(), values.length);
        for (int i = 0; i < own.length; i++) {
            values[i] += own[i];
        }
    }

    private void add(float factor, float[] from, int fromStart, float[] to, int toStart) {
        for (int i = 0; i < columns(); i++) {
            to[toStart + i] += factor * from[fromStart + i];
        }
    }
}
