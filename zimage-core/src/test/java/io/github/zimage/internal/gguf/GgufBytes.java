package io.github.zimage.internal.gguf;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes GGUF files. */
public final class GgufBytes {
    private static final int ALIGNMENT = 32;

    private record Tensor(String name, List<Long> shape, int type, byte[] data) {}

    private final List<byte[]> values = new ArrayList<>();
    private final List<Tensor> tensors = new ArrayList<>();

    /** Adds a text to the metadata. */
    public GgufBytes text(String key, String value) {
        return value(key, 8, text(value));
    }

    /** Adds an unsigned number of 32 bits. */
    public GgufBytes uint32(String key, int value) {
        return value(key, 4, array(number(4).putInt(value)));
    }

    /** Adds an unsigned number of 16 bits. */
    public GgufBytes uint16(String key, int value) {
        return value(key, 2, array(number(2).putShort((short) value)));
    }

    /** Adds a number of 32 bits. */
    public GgufBytes float32(String key, float value) {
        return value(key, 6, array(number(4).putFloat(value)));
    }

    /** Adds a list of texts. */
    public GgufBytes texts(String key, List<String> texts) {
        byte[][] all = new byte[texts.size() + 1][];
        all[0] = array(number(12).putInt(8).putLong(texts.size()));
        for (int i = 0; i < texts.size(); i++) {
            all[i + 1] = text(texts.get(i));
        }
        return value(key, 9, all);
    }

    /** Adds a list of numbers of 32 bits. */
    public GgufBytes int32s(String key, List<Integer> numbers) {
        ByteBuffer list = number(12 + 4 * numbers.size()).putInt(5).putLong(numbers.size());
        numbers.forEach(list::putInt);
        return value(key, 9, array(list));
    }

    private GgufBytes value(String key, int type, byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(text(key));
        out.writeBytes(array(number(4).putInt(type)));
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        values.add(out.toByteArray());
        return this;
    }

    /** Adds a tensor, with the shape as other formats have it. */
    public GgufBytes tensor(String name, List<Long> shape, int type, byte[] data) {
        tensors.add(new Tensor(name, shape, type, data));
        return this;
    }

    private static byte[] array(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.capacity()];
        buffer.get(0, bytes);
        return bytes;
    }

    private static ByteBuffer number(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return array(number(8 + utf8.length).putLong(utf8.length).put(utf8));
    }

    /** Returns the header alone, filled up to the data. */
    public byte[] header() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(array(
                number(24).putInt(0x46554747).putInt(3).putLong(tensors.size()).putLong(values.size())));
        values.forEach(out::writeBytes);
        long offset = 0;
        for (Tensor tensor : tensors) {
            out.writeBytes(text(tensor.name()));
            ByteBuffer rest = number(4 + 8 * tensor.shape().size() + 12);
            rest.putInt(tensor.shape().size());
            for (int i = tensor.shape().size() - 1; i >= 0; i--) {
                rest.putLong(tensor.shape().get(i));
            }
            out.writeBytes(array(rest.putInt(tensor.type()).putLong(offset)));
            offset += tensor.data().length + Math.floorMod(-tensor.data().length, ALIGNMENT);
        }
        out.writeBytes(new byte[Math.floorMod(-out.size(), ALIGNMENT)]);
        return out.toByteArray();
    }

    /** Returns the whole file. */
    public byte[] bytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(header());
        for (Tensor tensor : tensors) {
            out.writeBytes(tensor.data());
            out.writeBytes(new byte[Math.floorMod(-tensor.data().length, ALIGNMENT)]);
        }
        return out.toByteArray();
    }

    /** Writes it. */
    public Path write(Path file) {
        try {
            return Files.write(file, bytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
