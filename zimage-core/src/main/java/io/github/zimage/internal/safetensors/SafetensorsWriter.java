package io.github.zimage.internal.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes a safetensors file as a stream: the tensors are listed first, then their bytes are written in that order. They go
 * to a temporary file beside the target, which takes the target's place on {@link #commit}, whole and synchronized to the
 * disk. Closed without that, nothing is left behind. Not thread-safe.
 */
public final class SafetensorsWriter implements Closeable {
    /** Where the tensors begin, is a multiple of this. */
    public static final int ALIGNMENT = 64;

    private static final int PREFIX_BYTES = 8;

    private final AtomicFile file;
    private final long dataBytes;
    private long written;

    /**
     * A tensor to be written.
     *
     * @param name its name
     * @param type its number format
     * @param shape its dimensions, none for a single number
     */
    public record Tensor(String name, StorageType type, List<Long> shape) {
        /** Creates a tensor; the shape is copied. */
        public Tensor {
            shape = List.copyOf(shape);
        }

        /** Returns its size in bytes. */
        public long byteSize() {
            for (long length : shape) {
                if (length < 0) {
                    throw new IllegalArgumentException("shape must not be negative, but was " + shape);
                }
            }
            return type.bytes(shape);
        }
    }

    /**
     * Starts a file with its header.
     *
     * @param target the file to make or to replace, in a folder that exists
     * @param tensors what will be written, in this order
     * @param metadata texts to go with it
     * @throws IOException if the temporary file cannot be written
     * @throws IllegalArgumentException if two tensors have the same name
     */
    public SafetensorsWriter(Path target, List<Tensor> tensors, Map<String, String> metadata) throws IOException {
        this(AtomicFile.create(target), tensors, metadata);
    }

    /** Starts a file that only its owner may read and write, whatever the umask; else as the constructor. */
    public static SafetensorsWriter ofPrivateFile(Path target, List<Tensor> tensors, Map<String, String> metadata)
            throws IOException {
        return new SafetensorsWriter(AtomicFile.createPrivate(target), tensors, metadata);
    }

    private SafetensorsWriter(AtomicFile file, List<Tensor> tensors, Map<String, String> metadata) throws IOException {
        this.file = file;
        boolean done = false;
        try {
            byte[] header = header(tensors, metadata);
            this.dataBytes = tensors.stream().mapToLong(Tensor::byteSize).reduce(0, Math::addExact);
            file.write(ByteBuffer.wrap(header));
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private static byte[] header(List<Tensor> tensors, Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream json = new ByteArrayOutputStream();
        json.writeBytes(new byte[PREFIX_BYTES]);
        Set<String> names = new HashSet<>();
        try (JsonGenerator generator = new JsonFactory().createGenerator(json)) {
            generator.writeStartObject();
            if (!metadata.isEmpty()) {
                generator.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> entry : metadata.entrySet()) {
                    generator.writeStringField(entry.getKey(), entry.getValue());
                }
                generator.writeEndObject();
            }
            long offset = 0;
            for (Tensor tensor : tensors) {
                if (tensor.name().equals("__metadata__") || !names.add(tensor.name())) {
                    throw new IllegalArgumentException(
                            "tensors must have different names, but " + ModelFile.quote(tensor.name()) + " is taken");
                }
                long end = Math.addExact(offset, tensor.byteSize());
                long[] shape =
                        tensor.shape().stream().mapToLong(Long::longValue).toArray();
                generator.writeObjectFieldStart(tensor.name());
                generator.writeStringField("dtype", tensor.type().name());
                generator.writeFieldName("shape");
                generator.writeArray(shape, 0, shape.length);
                generator.writeFieldName("data_offsets");
                generator.writeArray(new long[] {offset, end}, 0, 2);
                generator.writeEndObject();
                offset = end;
            }
            generator.writeEndObject();
        }
        int padding = Math.floorMod(-json.size(), ALIGNMENT);
        byte[] spaces = new byte[padding];
        Arrays.fill(spaces, (byte) ' ');
        json.writeBytes(spaces);
        byte[] bytes = json.toByteArray();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, bytes.length - PREFIX_BYTES);
        return bytes;
    }

    /** Returns how many bytes all tensors take. */
    public long dataBytes() {
        return dataBytes;
    }

    /**
     * Writes the next bytes of the tensors, little endian. Borders between tensors need not be borders of buffers.
     *
     * @throws IOException if the file cannot be written
     * @throws IllegalArgumentException if that would be more than was announced
     */
    public void write(ByteBuffer bytes) throws IOException {
        if (bytes.remaining() > dataBytes - written) {
            throw new IllegalArgumentException(
                    "tensors have " + dataBytes + " bytes, but " + (written + bytes.remaining()) + " were written");
        }
        written += bytes.remaining();
        file.write(bytes);
    }

    /**
     * Makes the file appear under its name.
     *
     * @throws IOException if the file cannot be written
     * @throws IllegalStateException if bytes are missing
     */
    public void commit() throws IOException {
        if (written != dataBytes) {
            throw new IllegalStateException("tensors have " + dataBytes + " bytes, but " + written + " were written");
        }
        file.commit();
    }

    /** Ends the writing; unless the file was committed, what there is of it goes. */
    @Override
    public void close() throws IOException {
        file.close();
    }
}
