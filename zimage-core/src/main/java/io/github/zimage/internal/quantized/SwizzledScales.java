package io.github.zimage.internal.quantized;

import io.github.zimage.internal.safetensors.TensorData.FileReader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;

/**
 * Scales of a byte each for blocks of a row, in the order that cuBLAS takes them in: tiles of 128 rows and 4 columns, in which 32 rows lie
 * 16 bytes apart and the other factors of a row between them.
 */
final class SwizzledScales {
    private static final int TILE_ROWS = 128;
    private static final int TILE_COLUMNS = 4;
    private static final int TILE_BYTES = TILE_ROWS * TILE_COLUMNS;

    private final TensorEntry scales;
    private final int tilesAcross;

    /**
     * Prepares for scales.
     *
     * @param columns how many a row has
     */
    SwizzledScales(TensorEntry scales, int columns) {
        this.scales = scales;
        this.tilesAcross = (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
    }

    /** Returns how many bytes the scales of so many rows take. */
    static long bytes(long rows, long columns) {
        return (rows + TILE_ROWS - 1) / TILE_ROWS * ((columns + TILE_COLUMNS - 1) / TILE_COLUMNS) * TILE_BYTES;
    }

    /** The scales of some rows. */
    static final class Part {
        private final byte[] bytes;
        private final long firstTile;
        private final int tilesAcross;

        private Part(byte[] bytes, long firstTile, int tilesAcross) {
            this.bytes = bytes;
            this.firstTile = firstTile;
            this.tilesAcross = tilesAcross;
        }

        /** Returns the scale of a block. */
        byte at(long row, int column) {
            int within = (int) (row % TILE_ROWS);
            int tile = (int) (row / TILE_ROWS - firstTile) * tilesAcross + column / TILE_COLUMNS;
            return bytes[(tile * 32 + within % 32) * 16 + within / 32 * 4 + column % TILE_COLUMNS];
        }
    }

    /** Reads the scales of some rows. */
    Part read(FileReader files, long first, int count) throws IOException {
        long firstTile = first / TILE_ROWS;
        int tiles = (int) ((first + count - 1) / TILE_ROWS - firstTile + 1) * tilesAcross;
        return new Part(
                StoredRows.read(files, scales, firstTile * tilesAcross * TILE_BYTES, tiles * TILE_BYTES),
                firstTile,
                tilesAcross);
    }
}
