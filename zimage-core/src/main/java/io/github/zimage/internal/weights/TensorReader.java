package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.io.UncachedFile;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;

/**
 * Reads tensors from files that it holds open into memory that the caller has. Thread-safe, but a thread that reads must not be
 * interrupted: that would close the file for all.
 */
public final class TensorReader implements AutoCloseable {
    /** So much is read between two looks whether to stop. */
    private static final int PIECE_BYTES = 8 << 20;

    private static final int CONVERTED_PIECE_BYTES = 1 << 20;

    private final Map<Path, FileChannel> channels = new HashMap<>();
    private final Map<Path, Optional<UncachedFile>> uncached = new ConcurrentHashMap<>();
    private final ThreadLocal<Converter> converters = ThreadLocal.withInitial(Converter::new);

    private record Converter(ByteBuffer piece, NumberConversion conversion) {
        Converter() {
            this(ByteBuffer.allocateDirect(CONVERTED_PIECE_BYTES), new NumberConversion());
        }
    }

    /** Memory that a tensor is read into. */
    public interface Memory {
        /** Returns a part of the memory. */
        ByteBuffer part(long offset, int length);
    }

    /**
     * Opens all files of an index.
     *
     * @throws ModelLoadException if one cannot be opened
     */
    public TensorReader(WeightIndex index) {
        try {
            for (Path file : index.files()) {
                ModelFile.size(file);
                try {
                    channels.put(file, FileChannel.open(file, StandardOpenOption.READ));
                } catch (IOException e) {
                    throw ModelFile.unreadable(file, e);
                }
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** As the other one, through the system's page cache. */
    public void read(TensorEntry entry, StorageType type, Memory memory, BooleanSupplier stop) {
        read(entry, type, memory, stop, true);
    }

    /**
     * Reads a tensor.
     *
     * @param type how the numbers shall lie in the memory
     * @param stop asked now and then whether to stop early
     * @param cached whether it is left to the system's page cache; if not, it is read past it where the file system can
     * @throws ZImageException if it cannot be read
     */
    public void read(TensorEntry entry, StorageType type, Memory memory, BooleanSupplier stop, boolean cached) {
        try {
            Source source = cached ? this::readFully : this::readUncached;
            if (entry.type() == type) {
                readUnchanged(entry, memory, stop, source);
            } else {
                readConverted(entry, type, memory, stop, source);
            }
        } catch (IOException e) {
            String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            throw new ZImageException(
                    "%s: cannot read tensor %s: %s. The files of a checkpoint must stay as they are while a pipeline uses them"
                            .formatted(ModelFile.name(entry.file()), entry.name(), reason),
                    e);
        }
    }

    /** Fills a buffer from a place in a file. */
    private interface Source {
        void readFully(Path file, long offset, ByteBuffer bytes) throws IOException;
    }

    private void readUnchanged(TensorEntry entry, Memory memory, BooleanSupplier stop, Source source)
            throws IOException {
        for (long done = 0; done < entry.byteSize() && !stop.getAsBoolean(); done += PIECE_BYTES) {
            int length = (int) Math.min(PIECE_BYTES, entry.byteSize() - done);
            source.readFully(entry.file(), entry.offset() + done, memory.part(done, length));
        }
    }

    private void readConverted(TensorEntry entry, StorageType type, Memory memory, BooleanSupplier stop, Source source)
            throws IOException {
        Converter converter = converters.get();
        int width = entry.type().bytes();
        for (long done = 0; done < entry.byteSize() && !stop.getAsBoolean(); done += CONVERTED_PIECE_BYTES) {
            int length = (int) Math.min(CONVERTED_PIECE_BYTES, entry.byteSize() - done);
            ByteBuffer piece = converter.piece().clear().limit(length).order(ByteOrder.LITTLE_ENDIAN);
            source.readFully(entry.file(), entry.offset() + done, piece);
            ByteBuffer target = memory.part(done / width * type.bytes(), length / width * type.bytes());
            converter.conversion().convert(piece.flip(), entry.type(), target.order(ByteOrder.LITTLE_ENDIAN), type);
        }
    }

    private void readUncached(Path file, long offset, ByteBuffer bytes) throws IOException {
        Optional<UncachedFile> opened =
                uncached.computeIfAbsent(file, each -> Optional.ofNullable(UncachedFile.open(each)));
        if (opened.isPresent()) {
            opened.get().readFully(offset, bytes);
        } else {
            readFully(file, offset, bytes);
        }
    }

    private void readFully(Path file, long offset, ByteBuffer bytes) throws IOException {
        FileChannel channel = channels.get(file);
        if (channel == null) {
            throw new IllegalArgumentException("a tensor must lie in one of the index's files, but lies in " + file);
        }
        long position = offset;
        while (bytes.hasRemaining()) {
            int count = channel.read(bytes, position);
            if (count < 0) {
                throw new EOFException("the file ends at byte " + position);
            }
            position += count;
        }
    }

    /** Closes the files. */
    @Override
    public void close() {
        List<AutoCloseable> files = new ArrayList<>(channels.values());
        uncached.values().forEach(file -> file.ifPresent(files::add));
        for (AutoCloseable file : files) {
            try {
                file.close();
            } catch (Exception e) {
                throw new ZImageException("cannot close a file of the checkpoint: " + e.getMessage(), e);
            }
        }
        channels.clear();
        uncached.clear();
    }
}
