package io.github.zimage.internal.quantized;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The rows of a matrix that a file holds in an encoding of its own. Immutable; thread-safe. */
abstract class StoredRows extends RowData {
    /** Fewer numbers are not worth a second thread. */
    private static final int PARALLEL = 1 << 16;

    private final TensorEntry stored;
    private final List<TensorEntry> beside;
    private final int rowBytes;
    private final String encoding;

    /**
     * Creates rows.
     *
     * @param columns how many numbers a row has
     * @param stored the bytes of all rows, one behind the other
     * @param rowBytes how many bytes a row takes
     * @param beside what else the numbers depend on
     * @param encoding what people call the encoding
     */
    StoredRows(int columns, TensorEntry stored, int rowBytes, List<TensorEntry> beside, String encoding) {
        super(columns);
        this.stored = stored;
        this.rowBytes = rowBytes;
        this.beside = List.copyOf(beside);
        this.encoding = encoding;
    }

    /** Returns what decodes some rows, with what is needed for them read. */
    abstract RowDecoder decoder(FileReader files, long first, int count) throws IOException;

    @Override
    protected final void rows(FileReader files, long first, float[] values) throws IOException {
        int count = values.length / columns();
        byte[] bytes = read(files, stored, first * rowBytes, Math.multiplyExact(count, rowBytes));
        RowDecoder decoder = decoder(files, first, count);
        IntStream rows = IntStream.range(0, count);
        (values.length < PARALLEL ? rows : rows.parallel())
                .forEach(row -> decoder.decode(bytes, row * rowBytes, first + row, values, row * columns()));
    }

    /** Reads some bytes of a tensor as they are. */
    static byte[] read(FileReader files, TensorEntry tensor, long from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        tensor.data().read(files, tensor.offset() + from, bytes);
        return bytes.array();
    }

    @Override
    public final List<Path> files() {
        return Stream.concat(Stream.of(stored), beside.stream())
                .flatMap(each -> each.data().files().stream())
                .distinct()
                .toList();
    }

    @Override
    public final String key() {
        List<String> parts = new ArrayList<>();
        parts.add(encoding + " " + columns() + " " + rowBytes + " " + stored.type() + " " + stored.offset());
        beside.forEach(each -> parts.add(each.type() + " " + each.shape() + " " + each.offset()));
        return String.join("; ", parts);
    }

    @Override
    public final String encoding() {
        return encoding;
    }

    @Override
    public final long storedBytes(long bytes) {
        return bytes / Float.BYTES / columns() * rowBytes;
    }
}
