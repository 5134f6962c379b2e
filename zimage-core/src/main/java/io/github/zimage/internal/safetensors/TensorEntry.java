package io.github.zimage.internal.safetensors;

import io.github.zimage.internal.numbers.StorageType;
import java.nio.file.Path;
import java.util.List;

/**
 * Where a tensor lies.
 *
 * @param name its name, as the index that holds the entry calls it
 * @param type its number format
 * @param shape its dimensions, none for a single number
 * @param file the safetensors file
 * @param offset position of its first byte in the file; nothing promises that it is aligned
 * @param byteSize its size: the product of the shape times the size of a number
 */
public record TensorEntry(String name, StorageType type, List<Long> shape, Path file, long offset, long byteSize) {

    /** Creates an entry; the shape is copied. */
    public TensorEntry {
        shape = List.copyOf(shape);
    }

    /** Returns how many numbers the tensor has. */
    public long elements() {
        return byteSize / type.bytes();
    }

    /** Returns the same entry under another name. */
    public TensorEntry withName(String newName) {
        return new TensorEntry(newName, type, shape, file, offset, byteSize);
    }

    /** Returns the same entry with another shape of as many elements. */
    public TensorEntry withShape(List<Long> newShape) {
        return new TensorEntry(name, type, newShape, file, offset, byteSize);
    }
}
