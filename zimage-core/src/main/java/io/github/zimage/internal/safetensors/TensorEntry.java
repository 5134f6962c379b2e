package io.github.zimage.internal.safetensors;

import io.github.zimage.internal.numbers.StorageType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A tensor: what it is, and where its bytes lie.
 *
 * @param name its name, as the index that holds the entry calls it
 * @param type its number format
 * @param shape its dimensions, none for a single number
 * @param data what its bytes are part of
 * @param offset position of its first byte in the data; nothing promises that it is aligned
 * @param byteSize its size: the product of the shape times the size of a number
 */
public record TensorEntry(
        String name, StorageType type, List<Long> shape, TensorData data, long offset, long byteSize) {

    /** Creates an entry; the shape is copied. */
    public TensorEntry {
        shape = List.copyOf(shape);
    }

    /** Creates the entry of a tensor in a file. */
    public TensorEntry(String name, StorageType type, List<Long> shape, Path file, long offset, long byteSize) {
        this(name, type, shape, TensorData.of(file), offset, byteSize);
    }

    /** Returns how many numbers the tensor has. */
    public long elements() {
        return byteSize * Byte.SIZE / type.bits();
    }

    /** Returns what people call the format that files hold the tensor's numbers in. */
    public String encoding() {
        return data.encoding().isEmpty() ? type.name() : data.encoding();
    }

    /** Returns how many bytes of files the tensor takes, about. */
    public long storedBytes() {
        return data.storedBytes(byteSize);
    }

    /** Returns the file that has the tensor's bytes as they are, or null if they are made while they are read. */
    public @Nullable Path file() {
        return data.mappable();
    }

    /**
     * Returns how large the pieces are that a tensor is read in: as many whole rows as fit, or if none does, the most.
     *
     * @param most in bytes, a multiple of the size of any number
     */
    public long pieceBytes(int most) {
        long rowBytes = rowBytes();
        return rowBytes == 0 || rowBytes > most ? most : most / rowBytes * rowBytes;
    }

    /** Returns the size of a row: what lies under one index of the first dimension. */
    public long rowBytes() {
        return shape.isEmpty() || byteSize == 0 ? byteSize : byteSize / shape.get(0);
    }

    /** Returns the same entry under another name. */
    public TensorEntry withName(String newName) {
        return new TensorEntry(newName, type, shape, data, offset, byteSize);
    }

    /** Returns the same entry with another shape of as many elements. */
    public TensorEntry withShape(List<Long> newShape) {
        return new TensorEntry(name, type, newShape, data, offset, byteSize);
    }

    /**
     * Returns some rows as a tensor of its own. Nothing is copied.
     *
     * @param first the first row
     * @param count how many
     * @throws IllegalArgumentException if there are no such rows
     */
    public TensorEntry rows(String newName, long first, long count) {
        if (shape.isEmpty() || first < 0 || count < 0 || first > shape.get(0) - count) {
            throw new IllegalArgumentException(
                    "rows must be of shape " + shape + ", but were " + first + " to " + (first + count));
        }
        List<Long> part = new ArrayList<>(shape);
        part.set(0, count);
        return new TensorEntry(newName, type, part, data, offset + first * rowBytes(), count * rowBytes());
    }
}
