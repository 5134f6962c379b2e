package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.placement.VaeTiling;

/** How much memory the VAE's decoder needs beside its weights, and how many rows it computes at a time. Runs no native code. */
public final class DecodeMemory {
    /** Tiles of about this many pixels keep the processor busy and are small beside what is kept of a whole picture. */
    private static final long TILE_PIXELS = 1 << 16;

    private static final int ROWS_MULTIPLE = 8;

    private final VaeConfig config;
    private final long height;
    private final long width;
    private final long typeBytes;

    private DecodeMemory(VaeConfig config, int height, int width, Precision precision) {
        this.config = config;
        this.height = height;
        this.width = width;
        this.typeBytes = precision.bytes();
    }

    /**
     * Returns the most bytes that are needed at one time to decode one picture.
     *
     * @param height the picture's height in pixels
     * @param width the picture's width in pixels
     * @param rowsAtOnce how many rows are computed at a time; 0 for all of them at once
     */
    public static long peakBytes(VaeConfig config, int height, int width, Precision precision, int rowsAtOnce) {
        DecodeMemory memory = new DecodeMemory(config, height, width, precision);
        return rowsAtOnce == 0 ? memory.whole() : memory.tiled(rowsAtOnce);
    }

    /** Returns how many rows are computed at a time if there are tiles. */
    public static int rowsAtOnce(VaeTiling tiling, int width) {
        if (tiling.rows() > 0) {
            return tiling.rows();
        }
        return (int) Math.max(ROWS_MULTIPLE, TILE_PIXELS / width / ROWS_MULTIPLE * ROWS_MULTIPLE);
    }

    private long whole() {
        long peak = 0;
        int finest = config.blockOutChannels().size() - 1;
        for (int level = 0; level <= finest; level++) {
            long in = typeBytes * incoming(level) * pixels(level);
            long out = typeBytes * channels(level) * pixels(level);
            // Input, norm and first convolution; or input, both convolutions, and the second norm or the way around.
            peak = Math.max(peak, Math.max(2 * in + out, in + 3 * out));
            if (level < finest) {
                peak = Math.max(peak, out + 2 * 4 * out); // a doubled copy and its convolution
            }
        }
        // The last norm is FP32: what it is of, that in FP32 unless it is already, and the norm.
        long last = channels(finest) * pixels(finest);
        return Math.max(peak, last * (typeBytes + (typeBytes < Float.BYTES ? Float.BYTES : 0) + Float.BYTES))
                + picture();
    }

    private long tiled(int rowsAtOnce) {
        long peak = 0;
        int finest = config.blockOutChannels().size() - 1;
        for (int level = 0; level <= finest; level++) {
            long in = typeBytes * incoming(level) * pixels(level);
            long out = typeBytes * channels(level) * pixels(level);
            // The finest level's input is computed from the level before, which has a quarter of its pixels.
            long input = level == finest ? in / 4 : in;
            long kept = Math.max(input + out, 2 * out);
            if (level < finest - 1) {
                kept = Math.max(kept, out + 4 * out);
            }
            // Of a tile: two rows of neighbours, its input doubled, convolved and normed, and three results.
            long rows = Math.min(rowsAtOnce + 4, height(level));
            long tile = rows * width(level) * typeBytes * 3 * (incoming(level) + channels(level));
            peak = Math.max(peak, kept + tile);
        }
        return peak + picture();
    }

    /** The picture in FP32, and a second time while it is scaled to bytes. */
    private long picture() {
        return 2L * config.outChannels() * Float.BYTES * height * width;
    }

    private long channels(int level) {
        return config.blockOutChannels().get(config.blockOutChannels().size() - 1 - level);
    }

    private long incoming(int level) {
        return channels(Math.max(level - 1, 0));
    }

    private long height(int level) {
        return height >> (config.blockOutChannels().size() - 1 - level);
    }

    private long width(int level) {
        return width >> (config.blockOutChannels().size() - 1 - level);
    }

    private long pixels(int level) {
        return height(level) * width(level);
    }
}
