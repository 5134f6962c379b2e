package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.VaeConfig;

/** How much memory the VAE's encoder needs beside its weights. Runs no native code. */
public final class EncodeMemory {
    private static final int BANDS = 3;

    private final VaeConfig config;
    private final long pixels;
    private final long width;
    private final long typeBytes;

    private EncodeMemory(VaeConfig config, int height, int width, Precision precision) {
        this.config = config;
        this.pixels = (long) height * width;
        this.width = width;
        this.typeBytes = precision.bytes();
    }

    /**
     * Returns the most bytes that are needed at one time to encode one picture.
     *
     * @param height the picture's height in pixels
     * @param width the picture's width in pixels
     * @param rowsAtOnce how many rows are computed at a time; 0 for all of them at once
     */
    public static long peakBytes(VaeConfig config, int height, int width, Precision precision, int rowsAtOnce) {
        EncodeMemory memory = new EncodeMemory(config, height, width, precision);
        return Math.max(memory.picture(), rowsAtOnce == 0 ? memory.whole() : memory.tiled(rowsAtOnce));
    }

    /** The picture's bytes, that in FP32 twice while it is laid out, and in the type that is computed in. */
    private long picture() {
        return BANDS * pixels * (1 + 2 * Float.BYTES + typeBytes);
    }

    private long whole() {
        long peak = 0;
        int coarsest = config.blockOutChannels().size() - 1;
        for (int level = 0; level <= coarsest; level++) {
            long in = typeBytes * incoming(level) * pixels(level);
            long out = typeBytes * channels(level) * pixels(level);
            // Input, norm and first convolution; or input, both convolutions, and the second norm or the way around.
            peak = Math.max(peak, Math.max(2 * in + out, in + 3 * out));
            if (level < coarsest) {
                peak = Math.max(peak, 2 * out + out / 4); // a copy with zeros around, and what is made of it
            }
        }
        return peak;
    }

    private long tiled(int rowsAtOnce) {
        long peak = 0;
        int coarsest = config.blockOutChannels().size() - 1;
        for (int level = 0; level <= coarsest; level++) {
            long in = typeBytes * incoming(level) * pixels(level);
            long out = typeBytes * channels(level) * pixels(level);
            // The finest level's input is computed from the picture.
            long input = level == 0 ? typeBytes * BANDS * pixels : in;
            long kept = Math.max(input + out, config.layersPerBlock() > 1 ? 2 * out : out + out / 4);
            // Of a tile: two rows of neighbours, its input convolved and normed, and three results.
            long rows = Math.min(rowsAtOnce + 4L, (pixels / width) >> level);
            long tile = rows * (width >> level) * typeBytes * 3 * (incoming(level) + channels(level));
            peak = Math.max(peak, kept + tile);
        }
        return peak;
    }

    private long channels(int level) {
        return config.blockOutChannels().get(level);
    }

    private long incoming(int level) {
        return channels(Math.max(level - 1, 0));
    }

    private long pixels(int level) {
        return pixels >> (2 * level);
    }
}
