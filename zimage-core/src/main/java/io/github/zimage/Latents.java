package io.github.zimage;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A picture in the space that the transformer works in: FP32 numbers of shape [channels, height, width], where height and
 * width are those of the picture divided by the VAE's scale (8 for Z-Image). Lives on the Java heap. Immutable.
 */
public final class Latents {
    private static final String TENSOR = "latents";
    /** Numbers that are copied at a time. */
    private static final int CHUNK = 16_384;
    /** The most numbers that are read from a file, 1 GiB of them. */
    private static final long MAX_LOADED = 1L << 28;

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
     * @throws UncheckedIOException if the file cannot be written
     */
    public static void save(Path file, List<Latents> latents) {
        if (latents.isEmpty()) {
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
        ByteBuffer bytes = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        try (SafetensorsWriter writer = new SafetensorsWriter(
                file, List.of(new SafetensorsWriter.Tensor(TENSOR, StorageType.F32, shape)), Map.of())) {
            for (Latents picture : latents) {
                for (int start = 0; start < picture.values.length; start += CHUNK) {
                    int count = Math.min(CHUNK, picture.values.length - start);
                    bytes.clear().limit(count * Float.BYTES);
                    bytes.asFloatBuffer().put(picture.values, start, count);
                    writer.write(bytes);
                }
            }
            writer.commit();
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
        SafetensorsHeader header = SafetensorsHeader.read(file);
        TensorEntry tensor = header.tensors().get(TENSOR);
        if (tensor == null
                || header.tensors().size() != 1
                || tensor.type() != StorageType.F32
                || tensor.shape().size() != 4) {
            throw new ZImageException(
                    file.getFileName() + ": must hold one F32 tensor latents of 4 dimensions, but does not");
        }
        if (tensor.elements() == 0 || tensor.elements() > MAX_LOADED) {
            throw new ZImageException(file.getFileName() + ": latents must have 1 to " + MAX_LOADED
                    + " numbers, but have shape " + tensor.shape());
        }
        int channels = Math.toIntExact(tensor.shape().get(1));
        int height = Math.toIntExact(tensor.shape().get(2));
        int width = Math.toIntExact(tensor.shape().get(3));
        List<Latents> latents = new ArrayList<>();
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            channel.position(tensor.offset());
            ByteBuffer bytes = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (long n = 0; n < tensor.shape().get(0); n++) {
                float[] values = new float[channels * height * width];
                for (int start = 0; start < values.length; start += CHUNK) {
                    int count = Math.min(CHUNK, values.length - start);
                    bytes.clear().limit(count * Float.BYTES);
                    while (bytes.hasRemaining()) {
                        if (channel.read(bytes) < 0) {
                            throw new ZImageException(file.getFileName() + ": the file was cut off while it was read");
                        }
                    }
                    bytes.flip().asFloatBuffer().get(values, start, count);
                }
                latents.add(new Latents(channels, height, width, values));
            }
        } catch (IOException e) {
            throw new ZImageException(file.getFileName() + ": cannot be read: " + e.getMessage(), e);
        }
        return List.copyOf(latents);
    }

    private List<Long> shape() {
        return List.of((long) channels, (long) height, (long) width);
    }
}
