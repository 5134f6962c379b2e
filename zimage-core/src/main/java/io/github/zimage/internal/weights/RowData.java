package io.github.zimage.internal.weights;

import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorData;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** FP32 numbers that are made while they are read, some rows at a time. */
public abstract class RowData implements TensorData {
    private static final int MOST_BYTES = 1 << 20;

    private final int columns;

    /**
     * Creates data of rows.
     *
     * @param columns how many numbers a row has, 1 or more
     */
    protected RowData(int columns) {
        if (columns < 1) {
            throw new IllegalArgumentException("columns must be 1 or more, but was " + columns);
        }
        this.columns = columns;
    }

    /** Returns how many numbers a row has. */
    protected final int columns() {
        return columns;
    }

    /**
     * Makes rows.
     *
     * @param first the first of them
     * @param values to be filled with whole rows, zeros now
     */
    protected abstract void rows(FileReader files, long first, float[] values) throws IOException;

    /** Returns a tensor of all rows. */
    public final TensorEntry entry(String name, List<Long> shape) {
        long bytes = shape.stream().reduce((long) Float.BYTES, Math::multiplyExact);
        return new TensorEntry(name, StorageType.F32, shape, this, 0, bytes);
    }

    @Override
    public final @Nullable Path mappable() {
        return null;
    }

    @Override
    public final void read(FileReader files, long offset, ByteBuffer bytes) throws IOException {
        int rowBytes = Math.multiplyExact(columns, Float.BYTES);
        long position = offset;
        while (bytes.hasRemaining()) {
            int skipped = (int) (position % rowBytes);
            long wanted = ((long) skipped + bytes.remaining() + rowBytes - 1) / rowBytes;
            int count = (int) Math.min(wanted, Math.max(1, MOST_BYTES / rowBytes));
            float[] values = new float[count * columns];
            rows(files, position / rowBytes, values);
            position += put(values, skipped, bytes);
        }
    }

    /** Writes as many bytes of numbers as there is room for, but for some at the beginning, and returns how many. */
    private static int put(float[] values, int skipped, ByteBuffer bytes) {
        int length = (int) Math.min((long) values.length * Float.BYTES - skipped, bytes.remaining());
        if (skipped == 0 && length % Float.BYTES == 0) {
            ByteBuffer target = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
            target.asFloatBuffer().put(values, 0, length / Float.BYTES);
            bytes.position(bytes.position() + length);
            return length;
        }
        ByteBuffer made = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        made.asFloatBuffer().put(values);
        bytes.put(made.position(skipped).limit(skipped + length));
        return length;
    }

    /** Returns all numbers of a tensor of F32, F16 or BF16. */
    public static float[] floats(FileReader files, TensorEntry entry) throws IOException {
        return floats(files, entry, 0, Math.toIntExact(entry.elements()));
    }

    /** Returns some numbers of a tensor of F32, F16 or BF16. */
    public static float[] floats(FileReader files, TensorEntry entry, long first, int count) throws IOException {
        int width = entry.type().bytes();
        ByteBuffer stored =
                ByteBuffer.allocate(Math.multiplyExact(count, width)).order(ByteOrder.LITTLE_ENDIAN);
        entry.data().read(files, entry.offset() + first * width, stored);
        ByteBuffer single =
                ByteBuffer.allocate(Math.multiplyExact(count, Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        new NumberConversion().convert(stored.flip(), entry.type(), single, StorageType.F32);
        float[] floats = new float[count];
        single.flip().asFloatBuffer().get(floats);
        return floats;
    }
}
