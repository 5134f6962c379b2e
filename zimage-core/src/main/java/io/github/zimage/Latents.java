package io.github.zimage;

import java.nio.file.Path;
import java.util.List;

/**
 * A picture in the space that the transformer works in: FP32 numbers of shape [channels, height, width], where height and
 * width are those of the picture divided by the VAE's scale (8 for Z-Image). Lives on the Java heap. Immutable.
 */
public final class Latents {
    private final int channels;
    private final int height;
    private final int width;
    private final float[] values;

    private Latents(int channels, int height, int width, float[] values) {
        this.channels = channels;
        this.height = height;
        this.width = width;
        this.values = values;
    }

    /**
     * Creates latents from numbers, which are copied.
     *
     * @param channels number of channels, 16 for Z-Image
     * @param height rows
     * @param width columns
     * @param values {@code channels * height * width} numbers, row by row, channel by channel
     * @throws IllegalArgumentException if a dimension is not positive or the number of values is not their product
     */
    public static Latents of(int channels, int height, int width, float[] values) {
        if (channels <= 0 || height <= 0 || width <= 0) {
            throw new IllegalArgumentException(
                    "latents must have positive dimensions, but were [%d, %d, %d]".formatted(channels, height, width));
        }
        if (values.length != (long) channels * height * width) {
            throw new IllegalArgumentException("latents of shape [%d, %d, %d] need %d values, but there were %d"
                    .formatted(channels, height, width, (long) channels * height * width, values.length));
        }
        return new Latents(channels, height, width, values.clone());
    }

    /** Returns the number of channels. */
    public int channels() {
        return channels;
    }

    /** Returns the number of rows. */
    public int height() {
        return height;
    }

    /** Returns the number of columns. */
    public int width() {
        return width;
    }

    /** Returns a copy of the numbers, row by row, channel by channel. */
    public float[] values() {
        return values.clone();
    }

    /**
     * Writes latents of one shape as one FP32 tensor {@code latents} of shape [n, channels, height, width] into a safetensors
     * file. The file appears whole or not at all.
     *
     * @throws IllegalArgumentException if the list is empty or the shapes differ
     * @throws java.io.UncheckedIOException if the file cannot be written
     */
    public static void save(Path file, List<Latents> latents) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @throws ZImageException if the file cannot be read or holds anything else
     */
    public static List<Latents> load(Path file) {
        throw new UnsupportedOperationException("not written yet");
    }
}
