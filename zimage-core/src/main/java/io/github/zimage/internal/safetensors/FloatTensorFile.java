package io.github.zimage.internal.safetensors;

import io.github.zimage.ZImageException;
import io.github.zimage.internal.numbers.StorageType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Files that hold one FP32 tensor and nothing else, written and read through arrays. */
public final class FloatTensorFile {
    /** Numbers that are copied at a time. */
    private static final int CHUNK = 16_384;
    /** The most numbers that are read from a file, 1 GiB of them. */
    private static final long MAX_LOADED = 1L << 28;

    private FloatTensorFile() {}

    /**
     * Writes a file. It appears whole or not at all.
     *
     * @param parts the numbers, one part after the other
     * @throws IOException if it cannot be written
     */
    public static void write(Path file, String name, List<Long> shape, List<float[]> parts) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        try (SafetensorsWriter writer = new SafetensorsWriter(
                file, List.of(new SafetensorsWriter.Tensor(name, StorageType.F32, shape)), Map.of())) {
            for (float[] part : parts) {
                for (int start = 0; start < part.length; start += CHUNK) {
                    int count = Math.min(CHUNK, part.length - start);
                    bytes.clear().limit(count * Float.BYTES);
                    bytes.asFloatBuffer().put(part, start, count);
                    writer.write(bytes);
                }
            }
            writer.commit();
        }
    }

    /**
     * Returns the one tensor of a file.
     *
     * @param rank how many dimensions it has to have
     * @throws ZImageException if the file cannot be read, holds anything else, or more numbers than are read
     */
    public static TensorEntry only(Path file, String name, int rank) {
        SafetensorsHeader header = SafetensorsHeader.read(file);
        TensorEntry tensor = header.tensors().get(name);
        if (tensor == null
                || header.tensors().size() != 1
                || tensor.type() != StorageType.F32
                || tensor.shape().size() != rank) {
            throw new ZImageException("%s: must hold one F32 tensor %s of %d dimensions, but does not"
                    .formatted(file.getFileName(), name, rank));
        }
        if (tensor.elements() == 0 || tensor.elements() > MAX_LOADED) {
            throw new ZImageException("%s: %s must have 1 to %d numbers, but have shape %s"
                    .formatted(file.getFileName(), name, MAX_LOADED, tensor.shape()));
        }
        return tensor;
    }

    /**
     * Returns a tensor's numbers.
     *
     * @param parts into how many arrays of the same length they go
     * @throws ZImageException if the file cannot be read
     */
    public static List<float[]> read(Path file, TensorEntry tensor, int parts) {
        List<float[]> read = new ArrayList<>();
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            channel.position(tensor.offset());
            ByteBuffer bytes = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (int n = 0; n < parts; n++) {
                read.add(part(file, channel, bytes, Math.toIntExact(tensor.elements() / parts)));
            }
        } catch (IOException e) {
            throw new ZImageException(file.getFileName() + ": cannot be read: " + e.getMessage(), e);
        }
        return read;
    }

    private static float[] part(Path file, SeekableByteChannel channel, ByteBuffer bytes, int length)
            throws IOException {
        float[] values = new float[length];
        for (int start = 0; start < length; start += CHUNK) {
            int count = Math.min(CHUNK, length - start);
            bytes.clear().limit(count * Float.BYTES);
            while (bytes.hasRemaining()) {
                if (channel.read(bytes) < 0) {
                    throw new ZImageException(file.getFileName() + ": the file was cut off while it was read");
                }
            }
            bytes.flip().asFloatBuffer().get(values, start, count);
        }
        return values;
    }
}
