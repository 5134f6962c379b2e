package io.github.zimage;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.safetensors.FloatTensorFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A picture in the space that the transformer works in: FP32 numbers of shape [channels, height, width], where height and
 * width are those of the picture divided by the VAE's scale (8 for Z-Image). Lives on the Java heap. Immutable.
 */
public final class Latents {
    private static final String TENSOR = "latents";

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
        if (Given.value(values, "values").length != (long) channels * height * width) {
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
     * file, replacing the one that was there. The file appears whole or not at all.
     *
     * @throws IllegalArgumentException if the list is empty or the shapes differ
     * @throws UncheckedIOException if the file cannot be written
     */
    public static void save(Path file, List<Latents> latents) {
        Given.value(file, "file");
        if (Given.list(latents, "latents").isEmpty()) {
            throw new IllegalArgumentException("latents must not be empty");
        }
        Latents first = latents.get(0);
        for (Latents other : latents) {
            if (!other.shape().equals(first.shape())) {
                throw new IllegalArgumentException("latents must all have the same shape, but there were "
                        + first.shape() + " and " + other.shape());
            }
        }
        List<Long> shape = new ArrayList<>(first.shape());
        shape.add(0, (long) latents.size());
        try {
            FloatTensorFile.write(
                    file,
                    TENSOR,
                    shape,
                    latents.stream().map(each -> each.values).toList());
        } catch (IOException e) {
            throw new UncheckedIOException("latents cannot be written to " + file + ": " + e.getMessage(), e);
        }
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @throws ZImageException if the file cannot be read or holds anything else
     */
    public static List<Latents> load(Path file) {
        TensorEntry tensor = FloatTensorFile.only(Given.value(file, "file"), TENSOR, 4);
        int count = Math.toIntExact(tensor.shape().get(0));
        int channels = Math.toIntExact(tensor.shape().get(1));
        int height = Math.toIntExact(tensor.shape().get(2));
        int width = Math.toIntExact(tensor.shape().get(3));
        return FloatTensorFile.read(file, tensor, count).stream()
                .map(values -> new Latents(channels, height, width, values))
                .toList();
    }

    /** Returns the shape, such as {@code Latents[16, 128, 128]}. */
    @Override
    public String toString() {
        return "Latents" + shape();
    }

    private List<Long> shape() {
        return List.of((long) channels, (long) height, (long) width);
    }
}
