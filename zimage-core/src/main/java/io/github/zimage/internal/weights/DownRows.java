package io.github.zimage.internal.weights;

import java.io.IOException;
import java.util.List;

/** The first factors of what several adapters add to a matrix, one below the other. */
final class DownRows extends AddedRows {

    DownRows(int columns, List<LowRank> additions) {
        super(columns, additions);
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        long above = 0;
        long end = first + values.length / columns();
        for (LowRank addition : additions()) {
            long from = Math.max(first, above);
            long to = Math.min(end, above + addition.rank());
            if (from < to) {
                int count = Math.toIntExact((to - from) * columns());
                float[] rows = floats(files, addition.down(), (from - above) * columns(), count);
                System.arraycopy(rows, 0, values, Math.toIntExact((from - first) * columns()), count);
            }
            above += addition.rank();
        }
    }
}
