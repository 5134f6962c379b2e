package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.io.UncachedFile;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorData;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedChannelException;
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
 * The one reader of tensors: into memory that the caller has, from files that it opens when they are needed and holds open.
 * Thread-safe, also for threads that are or get interrupted: that closes a channel but not a file here.
 */
public final class TensorFiles implements TensorData.FileReader, AutoCloseable {
    /** So much is read between two looks whether to stop. */
    private static final int PIECE_BYTES = 8 << 20;

    private static final int CONVERTED_PIECE_BYTES = 1 << 20;

    private final Map<Path, FileChannel> channels = new HashMap<>();
    private final Map<Path, Optional<UncachedFile>> uncached = new ConcurrentHashMap<>();
    private final ThreadLocal<Converter> converters = ThreadLocal.withInitial(Converter::new);
    private boolean closed;

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

    /** Opens nothing yet. */
    public TensorFiles() {}

    /**
     * Opens all files of an index.
     *
     * @throws ModelLoadException if one cannot be opened
     */
    public TensorFiles(WeightIndex index) {
        for (Path file : index.files()) {
            try {
                channel(file);
            } catch (IOException | RuntimeException e) {
                close();
                throw e instanceof IOException failure ? ModelFile.unreadable(file, failure) : (RuntimeException) e;
            }
        }
    }

    private FileChannel channel(Path file) throws IOException {
        synchronized (channels) {
            if (closed) {
                throw new ClosedChannelException();
            }
            FileChannel channel = channels.get(file);
            if (channel == null || !channel.isOpen()) {
                ModelFile.size(file);
                channel = FileChannel.open(file, StandardOpenOption.READ);
                channels.put(file, channel);
            }
            return channel;
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
        TensorData.FileReader reader = cached ? this : this::readUncached;
        int most = entry.type() == type ? PIECE_BYTES : CONVERTED_PIECE_BYTES;
        int width = entry.type().bytes();
        long pieceBytes = entry.pieceBytes(most);
        try {
            for (long done = 0; done < entry.byteSize() && !stop.getAsBoolean(); done += pieceBytes) {
                int length = (int) Math.min(pieceBytes, entry.byteSize() - done);
                ByteBuffer target = memory.part(done / width * type.bytes(), length / width * type.bytes());
                readPiece(reader, entry, done, length, type, target);
            }
        } catch (IOException e) {
            throw unreadable(entry, e);
        }
    }

    private void readPiece(
            TensorData.FileReader reader, TensorEntry entry, long from, int length, StorageType type, ByteBuffer target)
            throws IOException {
        if (entry.type() == type) {
            entry.data().read(reader, entry.offset() + from, target);
            return;
        }
        Converter converter = converters.get();
        ByteBuffer piece = converter.piece().clear().limit(length).order(ByteOrder.LITTLE_ENDIAN);
        entry.data().read(reader, entry.offset() + from, piece);
        converter.conversion().convert(piece.flip(), entry.type(), target.order(ByteOrder.LITTLE_ENDIAN), type);
    }

    /**
     * Reads a part of a tensor in the type it is stored in.
     *
     * @param from which of its bytes to begin with
     * @throws IOException if it cannot be read
     */
    public void read(TensorEntry entry, long from, ByteBuffer bytes) throws IOException {
        entry.data().read(this, entry.offset() + from, bytes);
    }

    /** Returns the refusal of a tensor that cannot be read. */
    static ModelLoadException unreadable(TensorEntry entry, IOException e) {
        String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        return new ModelLoadException(
                "%s: cannot read tensor %s: %s. The files of a checkpoint must stay as they are while a pipeline uses them"
                        .formatted(
                                entry.data().files().stream()
                                        .map(ModelFile::name)
                                        .findFirst()
                                        .orElse("weights"),
                                ModelFile.printable(entry.name()),
                                reason),
                e);
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

    @Override
    public void readFully(Path file, long offset, ByteBuffer bytes) throws IOException {
        boolean interrupted = false;
        long position = offset;
        try {
            while (bytes.hasRemaining()) {
                FileChannel channel = channel(file);
                try {
                    int count = channel.read(bytes, position);
                    if (count < 0) {
                        throw new EOFException("the file ends at byte " + position);
                    }
                    position += count;
                } catch (ClosedChannelException e) {
                    // This thread was interrupted, or another one that reads the same file. It is opened again.
                    interrupted |= Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Closes the files. Whoever still reads gets a {@link ClosedChannelException}. */
    @Override
    public void close() {
        List<AutoCloseable> files;
        synchronized (channels) {
            closed = true;
            files = new ArrayList<>(channels.values());
            channels.clear();
        }
        uncached.values().forEach(file -> file.ifPresent(files::add));
        uncached.clear();
        for (AutoCloseable file : files) {
            try {
                file.close();
            } catch (Exception e) {
                throw new ZImageException("cannot close a file of the checkpoint: " + e.getMessage(), e);
            }
        }
    }
}
