package io.github.zimage.internal.singlefile;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The rows of a matrix without what fills them up to a multiple of an encoding's blocks. */
final class CroppedRows extends RowData {
    private static final int MOST_FILLED = 32;

    private final TensorEntry matrix;

    private CroppedRows(TensorEntry matrix, long columns) {
        super(Math.toIntExact(columns));
        this.matrix = matrix;
    }

    /** Returns whether a matrix is one of a shape with some rows or columns more, as encodings need them. */
    static boolean suits(TensorEntry matrix, List<Long> shape) {
        return matrix.file() == null
                && matrix.shape().size() == 2
                && shape.size() == 2
                && isFilled(matrix.shape().get(0), shape.get(0))
                && isFilled(matrix.shape().get(1), shape.get(1));
    }

    private static boolean isFilled(long size, long wanted) {
        return wanted >= 1 && size >= wanted && size - wanted < MOST_FILLED;
    }

    /** Returns the part of the matrix that has a shape. */
    static TensorEntry of(TensorEntry matrix, List<Long> shape) {
        return shape.get(1).equals(matrix.shape().get(1))
                ? matrix.rows(matrix.name(), 0, shape.get(0))
                : new CroppedRows(matrix, shape.get(1)).entry(matrix.name(), shape);
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        int wide = Math.toIntExact(matrix.shape().get(1));
        int count = values.length / columns();
        float[] rows = floats(files, matrix, first * wide, count * wide);
        for (int row = 0; row < count; row++) {
            System.arraycopy(rows, row * wide, values, row * columns(), columns());
        }
    }

    @Override
    public List<Path> files() {
        return matrix.data().files();
    }

    @Override
    public String key() {
        return matrix.data().key() + "; " + matrix.offset() + " of " + matrix.shape();
    }

    @Override
    public String encoding() {
        return matrix.data().encoding();
    }

    @Override
    public long storedBytes(long bytes) {
        return matrix.data().storedBytes(bytes);
    }
}
