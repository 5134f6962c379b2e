package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.FileSystemType;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a component as tensors. One that is stored in the type it is wanted in is a view of the mapped file and takes no
 * memory of its own, unless files shall be read or lie on another machine; any other is converted while it is read, a piece at a time. Owns all tensors it gives out.
 */
public final class WeightStore implements TensorSource, AutoCloseable {
    private static final int PIECE_BYTES = 32 << 20;
    private static final long MATRIX_PIECE = 4 << 20;
    private static final int PARALLEL_BYTES = 4 << 20;

    private final WeightIndex index;
    private final FileState fileState;
    private final TensorFiles files = new TensorFiles();
    private final TensorPlace place;
    private final LongConsumer progress;
    private final Map<Path, Tensor> mappings = new HashMap<>();
    private final Map<Path, Boolean> remote = new HashMap<>();
    private final List<Tensor> tensors = new ArrayList<>();
    private final List<Owned> owned = new ArrayList<>();
    private final List<TensorEntry> mapped = new ArrayList<>();
    private long bytesDone;
    private long convertedBytes;
    private boolean packed;

    /** As {@link #WeightStore(WeightIndex, TensorPlace, LongConsumer)}, for weights in the machine's memory. */
    public WeightStore(WeightIndex index, LongConsumer progress) {
        this(index, TensorPlace.CPU, progress);
    }

    /**
     * Opens the weights that an index lists.
     *
     * @param place where the tensors shall lie
     * @param progress hears how many bytes of the files have been taken over
     * @throws ModelLoadException if a file is missing
     */
    public WeightStore(WeightIndex index, TensorPlace place, LongConsumer progress) {
        this.index = index;
        this.fileState = new FileState(index);
        this.place = place;
        this.progress = progress;
    }

    @Override
    public TensorPlace place() {
        return place;
    }

    /** Lets large matrices be copied into the layout that the processor multiplies fastest by, instead of mapped. */
    public WeightStore packed(boolean allowed) {
        packed = allowed;
        return this;
    }

    @Override
    public boolean isPacked() {
        return packed;
    }

    /** Returns where the weights lie in the files. */
    public WeightIndex index() {
        return index;
    }

    /**
     * Opens the same weights again, for what is used once and let go.
     *
     * @throws ModelLoadException if the files are not what they were when this was opened
     */
    public WeightStore reopened() {
        fileState.requireUnchanged();
        return new WeightStore(index, place, done -> {});
    }

    @Override
    public Tensor get(String name, ScalarType type) {
        if (place.isCpu() && isStored(index.get(name), type) && isMapped(index.get(name))) {
            mapped.add(index.get(name));
        }
        return get(name, type, UnaryOperator.identity());
    }

    /** Returns the weights that were given out and are read from the disk when they are used, in the order of {@link #get}. */
    public List<TensorEntry> mapped() {
        return List.copyOf(mapped);
    }

    /** Returns whether files are mapped, which must not become shorter then. */
    public boolean isMapped() {
        return !mappings.isEmpty();
    }

    /** Where reading may fail, files are not mapped: a page that cannot be read would end the process. */
    private boolean isMapped(TensorEntry entry) {
        Path file = entry.file();
        return file != null && !index.isRead() && !remote.computeIfAbsent(file, FileSystemType::isRemote);
    }

    private static boolean isStored(TensorEntry entry, ScalarType type) {
        return entry.file() != null
                && entry.type() == storageType(type)
                && entry.offset() % entry.type().bytes() == 0;
    }

    /**
     * Reads some rows of a table in the type they are stored in, in the machine's memory wherever others lie, in the current scope.
     *
     * @param name the table's, [count, columns]
     * @param rows their numbers
     * @return [rows, columns]
     */
    public Tensor rows(String name, int[] rows) {
        TensorEntry table = index.get(name);
        Tensor result = Tensors.empty(
                scalarType(table.type()), rows.length, table.shape().get(1));
        ByteBuffer bytes = bytes(result);
        int rowBytes = Math.toIntExact(table.rowBytes());
        for (int i = 0; i < rows.length; i++) {
            read(table, rows[i] * (long) rowBytes, bytes.slice(i * rowBytes, rowBytes));
        }
        return result;
    }

    /** Returns the weight of a convolution [out, in, k, k] in a type, with its channels last in memory. */
    public Tensor getChannelsLast(String name, ScalarType type) {
        return get(name, type, weight -> weight.contiguous(MemoryFormat.ChannelsLast));
    }

    private Tensor get(String name, ScalarType type, UnaryOperator<Tensor> layout) {
        return own(name, () -> place.take(layout.apply(stored(name, type))));
    }

    private Tensor own(String name, Supplier<Tensor> maker) {
        try (PointerScope scope = new PointerScope()) {
            Tensor tensor = own(maker.get());
            advance(name);
            return tensor;
        }
    }

    /** Returns a weight in the machine's memory, in the current scope. */
    private Tensor stored(String name, ScalarType type) {
        TensorEntry entry = index.get(name);
        boolean asStored = isStored(entry, type);
        convertedBytes += asStored ? 0 : entry.byteSize();
        if (asStored && isMapped(entry)) {
            return view(entry, type);
        }
        return entry.type() == storageType(type)
                ? readAsStored(entry)
                : read(entry, type, 0, entry.elements()).view(shape(entry));
    }

    /** Reads the weight, so that its file is not mapped. */
    @Override
    public Tensor passing(String name, ScalarType type) {
        TensorEntry entry = index.get(name);
        convertedBytes += isStored(entry, type) ? 0 : entry.byteSize();
        Tensor weight = entry.type() == storageType(type)
                ? readAsStored(entry)
                : read(entry, type, 0, entry.elements()).view(shape(entry));
        advance(name);
        return weight;
    }

    /** Elsewhere than in the machine's memory, where all weights are copies, one tensor is in flight at a time. */
    @Override
    public @Nullable Tensor joined(List<String> names, ScalarType type) {
        if (place.isCpu()) {
            return null;
        }
        long rows = names.stream().mapToLong(name -> shape(name).get(0)).sum();
        try (PointerScope scope = new PointerScope()) {
            Tensor all = own(place.empty(type, rows, shape(names.get(0)).get(1)));
            long row = 0;
            for (String name : names) {
                long count = shape(name).get(0);
                try (PointerScope copying = new PointerScope()) {
                    place.put(stored(name, type), all.narrow(0, row, count));
                }
                row += count;
                advance(name);
            }
            return all;
        }
    }

    @Override
    public void readMatrix(String name, MatrixRows consumer) {
        TensorEntry entry = index.get(name);
        ScalarType type = entry.type() == StorageType.BF16 ? ScalarType.BFloat16 : ScalarType.Float;
        long rows = entry.shape().get(0);
        long columns = entry.shape().get(1);
        long piece = Math.max(1, MATRIX_PIECE / columns);
        for (long row = 0; row < rows; row += piece) {
            try (PointerScope scope = new PointerScope()) {
                long count = Math.min(piece, rows - row);
                consumer.accept(
                        row, read(entry, type, row * columns, count * columns).view(count, columns));
            }
        }
        advance(name);
    }

    @Override
    public Rounded rounded(String name, boolean turned) {
        TensorEntry entry = index.get(name);
        if (entry.type() == StorageType.I8) {
            TensorEntry scales = index.get(RowRounding.scales(name));
            Rounded read = new Rounded(readAsStored(entry), read(scales, ScalarType.Float, 0, scales.elements()));
            advance(name);
            return read;
        }
        long columns = entry.shape().get(1);
        Rounded result = new Rounded(
                Tensors.empty(ScalarType.Char, shape(entry)),
                Tensors.empty(ScalarType.Float, entry.shape().get(0)));
        RowRounding rounding = new RowRounding(Math.toIntExact(columns), turned);
        readMatrix(
                name,
                (row, rows) -> rounding.round(
                        bytes(rows),
                        entry.type() == StorageType.BF16 ? StorageType.BF16 : StorageType.F32,
                        bytes(result.values().narrow(0, row, rows.size(0))),
                        bytes(result.scales().narrow(0, row, rows.size(0)))));
        convertedBytes += entry.byteSize();
        return result;
    }

    /** Returns the memory of a contiguous tensor. */
    private static ByteBuffer bytes(Tensor tensor) {
        return new BytePointer(tensor.data_ptr())
                .capacity(tensor.numel() * tensor.element_size())
                .asByteBuffer()
                .order(ByteOrder.nativeOrder());
    }

    @Override
    public List<Long> shape(String name) {
        return index.get(name).shape();
    }

    /** As for every source: until the store is closed. */
    @Override
    public Tensor own(Tensor tensor) {
        tensors.add(Tensors.keep(tensor));
        return tensor;
    }

    /** Something that is used with the weights and closed with them. */
    public interface Owned {
        /** Frees it. */
        void close();
    }

    /** Closes something when the store is closed. */
    public <C extends Owned> C own(C user) {
        owned.add(user);
        return user;
    }

    /** Reads a tensor in the type it is stored in, on all processors: one alone is slower than the page cache. */
    private Tensor readAsStored(TensorEntry entry) {
        Tensor result = Tensors.empty(scalarType(entry.type()), shape(entry));
        BytePointer memory = new BytePointer(result.data_ptr());
        long pieceBytes = entry.pieceBytes(PARALLEL_BYTES);
        long pieces = (entry.byteSize() + pieceBytes - 1) / pieceBytes;
        LongStream.range(0, pieces).parallel().forEach(piece -> {
            long offset = piece * pieceBytes;
            long end = Math.min(offset + pieceBytes, entry.byteSize());
            read(
                    entry,
                    offset,
                    new BytePointer(memory).position(offset).capacity(end).asByteBuffer());
        });
        return result;
    }

    private void read(TensorEntry entry, long from, ByteBuffer bytes) {
        try {
            files.read(entry, from, bytes);
        } catch (IOException e) {
            throw TensorFiles.unreadable(entry, e);
        }
    }

    private Tensor read(TensorEntry entry, ScalarType type, long first, long elements) {
        Tensor result = Tensors.empty(type, elements);
        int width = entry.type().bytes();
        int pieceElements = (int) Math.min(entry.pieceBytes(PIECE_BYTES) / width, elements);
        Tensor piece = Tensors.empty(scalarType(entry.type()), pieceElements);
        ByteBuffer bytes = bytes(piece);
        for (long done = 0; done < elements; done += pieceElements) {
            long count = Math.min(pieceElements, elements - done);
            bytes.clear().limit((int) count * width);
            read(entry, (first + done) * width, bytes);
            try (PointerScope scope = new PointerScope()) {
                result.narrow(0, done, count).copy_(piece.narrow(0, 0, count));
            }
        }
        return result;
    }

    private void advance(String name) {
        bytesDone += index.get(name).byteSize();
        progress.accept(bytesDone);
    }

    private Tensor view(TensorEntry entry, ScalarType type) {
        Path file = Objects.requireNonNull(entry.file());
        Tensor bytes = mappings.computeIfAbsent(file, WeightStore::map);
        return bytes.narrow(0, entry.offset(), entry.byteSize()).view(type).view(shape(entry));
    }

    private static Tensor map(Path file) {
        return Tensors.keep(torch.from_file(
                file.toString(),
                new BoolOptional(false),
                new LongOptional(file.toFile().length()),
                new TensorOptions(ScalarType.Byte)));
    }

    private static long[] shape(TensorEntry entry) {
        return entry.shape().stream().mapToLong(Long::longValue).toArray();
    }

    /** Returns how numbers of a type are called in safetensors files. */
    public static StorageType storageType(ScalarType type) {
        return switch (type) {
            case Float -> StorageType.F32;
            case Half -> StorageType.F16;
            case BFloat16 -> StorageType.BF16;
            case Char -> StorageType.I8;
            default -> throw new IllegalArgumentException("no weights are kept as " + type);
        };
    }

    private static ScalarType scalarType(StorageType type) {
        return switch (type) {
            case F32 -> ScalarType.Float;
            case F16 -> ScalarType.Half;
            case BF16 -> ScalarType.BFloat16;
            case I8 -> ScalarType.Char;
            default -> throw new IllegalArgumentException("weights are not read as " + type);
        };
    }

    /** Returns how many bytes of the files could not be used as they are, but were converted. */
    public long convertedBytes() {
        return convertedBytes;
    }

    /** Frees all tensors. */
    @Override
    public void close() {
        owned.forEach(Owned::close);
        owned.clear();
        tensors.forEach(Tensor::close);
        tensors.clear();
        mappings.values().forEach(Tensor::close);
        mappings.clear();
        files.close();
    }
}
