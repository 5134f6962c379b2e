package io.github.zimage.internal.quantized;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Scales of a matrix: one for all of it, one a row, or one for each block of a grid. */
final class BlockScales {
    private final TensorEntry scales;
    private final long rowsEach;
    private final int across;
    private final int columnsEach;

    private BlockScales(TensorEntry scales, long rowsEach, int across, int columnsEach) {
        this.scales = scales;
        this.rowsEach = rowsEach;
        this.across = across;
        this.columnsEach = columnsEach;
    }

    /** Returns the scales of a matrix, or null if their shape does not divide the matrix's. */
    static @Nullable BlockScales of(TensorEntry scales, long rows, int columns) {
        List<Long> shape = scales.shape();
        long down = shape.isEmpty() ? 1 : shape.get(0);
        long across = shape.size() < 2 ? 1 : shape.get(1);
        boolean fits = shape.size() <= 2
                && down > 0
                && across > 0
                && rows % down == 0
                && columns % across == 0
                && scales.type().isSupportedWeight();
        return fits ? new BlockScales(scales, rows / down, (int) across, (int) (columns / across)) : null;
    }

    /** The scales of some rows. */
    static final class Part {
        private final float[] scales;
        private final long firstBlock;
        private final BlockScales grid;

        private Part(float[] scales, long firstBlock, BlockScales grid) {
            this.scales = scales;
            this.firstBlock = firstBlock;
            this.grid = grid;
        }

        /** Multiplies a row by its scales. */
        void apply(long row, float[] values, int from) {
            int own = (int) (row / grid.rowsEach - firstBlock) * grid.across;
            for (int block = 0; block < grid.across; block++) {
                float scale = scales[own + block];
                int start = from + block * grid.columnsEach;
                for (int i = start; i < start + grid.columnsEach; i++) {
                    values[i] *= scale;
                }
            }
        }
    }

    /** Reads the scales of some rows. */
    Part read(FileReader files, long first, int count) throws IOException {
        long firstBlock = first / rowsEach;
        int blocks = (int) ((first + count - 1) / rowsEach - firstBlock + 1);
        float[] read = RowData.floats(files, scales, firstBlock * across, blocks * across);
        return new Part(read, firstBlock, this);
    }
}
