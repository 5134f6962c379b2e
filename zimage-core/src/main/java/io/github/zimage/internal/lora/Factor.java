package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A matrix that stands in a file as such, or as the product of two.
 *
 * @param first the matrix, or [rows, rank]
 * @param second [rank, columns], or null
 */
record Factor(TensorEntry first, @Nullable TensorEntry second) {

    long rows() {
        return first.shape().get(0);
    }

    long columns() {
        return (second == null ? first : second).shape().get(1);
    }

    /** Returns the rank of the product; 0 if it is none. */
    int rank() {
        return second == null ? 0 : Math.toIntExact(second.shape().get(0));
    }

    List<TensorEntry> tensors() {
        return second == null ? List.of(first) : List.of(first, second);
    }

    /** Returns some of its rows. */
    Factor rows(long from, long count) {
        return new Factor(first.rows(first.name(), from, count), second);
    }

    /** Returns all its numbers, row by row. */
    float[] floats(FileReader files) throws IOException {
        float[] left = RowData.floats(files, first);
        return second == null
                ? left
                : Matrices.product(left, RowData.floats(files, second), rank(), Math.toIntExact(columns()));
    }
}
