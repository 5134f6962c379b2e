package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.RrdbNetConfig;

/** How much memory an upscaler needs beside its weights, and how large its tiles are. Runs no native code. */
public final class UpscaleMemory {
    /** What a tile sees of its neighbours on each side, in pixels of the network. */
    public static final int OVERLAP = 32;

    /** What the convolutions behind the trunk see on each side, in pixels of the network, rounded up. */
    public static final int HALO = 2;

    private static final int LARGE = 512;
    private static final int SMALL = 128;
    private static final int STRIPS = 8;

    private UpscaleMemory() {}

    /**
     * Returns the side of the tiles, in pixels of the network, without what they see of their neighbours.
     *
     * @param small whether memory is short
     */
    public static int tile(boolean small) {
        return small ? SMALL : LARGE;
    }

    /** Returns how many rows of a tile's features are enlarged at a time. */
    public static int rowsAtOnce(int tileHeight) {
        return Math.max(HALO, tileHeight / STRIPS);
    }

    /**
     * Returns the most bytes that are needed at one time to enlarge a picture.
     *
     * @param height the picture's height in pixels
     * @param width the picture's width in pixels
     * @param tile as {@link #tile}
     */
    public static long peakBytes(RrdbNetConfig config, int height, int width, Precision precision, int tile) {
        long rows = side(height, config.unshuffle(), tile);
        long columns = side(width, config.unshuffle(), tile);
        long typeBytes = ComponentMemory.typeBytes(precision);
        long features = rows * columns * config.features() * typeBytes;
        // In a dense block: what is put together, and that with what is added.
        long dense = rows * columns * typeBytes * 2 * config.denseChannels(RrdbNetConfig.CONVOLUTIONS - 1);
        long strip = Math.min(rowsAtOnce((int) rows) + 2L * HALO, rows) * (columns << (2 * config.doublings()));
        // A convolution, what it is of, and half the size of that.
        long enlarged = strip * config.features() * typeBytes * 9 / 4;
        // Features before the trunk, before a block and before a dense block; or behind the trunk.
        return Math.max(3 * features + dense, 2 * features + enlarged);
    }

    private static long side(int pixels, int unshuffle, int tile) {
        return Math.min((pixels - 1) / unshuffle + 1, tile + 2L * OVERLAP);
    }
}
