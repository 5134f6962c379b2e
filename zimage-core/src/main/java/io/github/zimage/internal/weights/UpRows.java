package io.github.zimage.internal.weights;

import java.io.IOException;
import java.util.List;

/** The second factors of what several adapters add to a matrix, side by side, each times its scale. */
final class UpRows extends AddedRows {

    /**
     * Creates the rows.
     *
     * @param ranks how long they are: the sum of the ranks
     */
    UpRows(int ranks, List<LowRank> additions) {
        super(ranks, additions);
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        int count = values.length / columns();
        int left = 0;
        for (LowRank addition : additions()) {
            float[] up = up(files, addition, first, count);
            for (int row = 0; row < count; row++) {
                System.arraycopy(up, row * addition.rank(), values, row * columns() + left, addition.rank());
            }
            left += addition.rank();
        }
    }
}
