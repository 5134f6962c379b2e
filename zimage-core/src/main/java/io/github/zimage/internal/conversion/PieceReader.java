package io.github.zimage.internal.conversion;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/** Reads tensors one after the other, in pieces of whole rows, the next one while the last one is used. Not thread-safe. */
final class PieceReader implements Closeable {
    /** The most bytes in a piece; a multiple of the size of any number. */
    static final int PIECE_BYTES = 8 << 20;

    private final Iterator<Piece> pieces;
    private final ByteBuffer[] buffers = {buffer(), buffer()};
    private final TensorFiles files = new TensorFiles();
    private final ExecutorService thread;
    private @Nullable Future<?> reading;
    private int current;

    private record Piece(TensorEntry tensor, long from, int bytes) {}

    PieceReader(List<TensorEntry> tensors) {
        List<Piece> all = new ArrayList<>();
        for (TensorEntry tensor : tensors) {
            long pieceBytes = tensor.pieceBytes(PIECE_BYTES);
            for (long done = 0; done < tensor.byteSize(); done += pieceBytes) {
                all.add(new Piece(tensor, done, (int) Math.min(pieceBytes, tensor.byteSize() - done)));
            }
        }
        pieces = all.iterator();
        thread = Executors.newSingleThreadExecutor(task -> {
            Thread made = new Thread(task, "zimage-read-ahead");
            made.setDaemon(true);
            return made;
        });
        readAhead();
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocateDirect(PIECE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void readAhead() {
        if (pieces.hasNext()) {
            Piece piece = pieces.next();
            ByteBuffer buffer = buffers[current];
            reading = thread.submit(() -> {
                read(piece, buffer);
                return null;
            });
        } else {
            reading = null;
        }
    }

    private void read(Piece piece, ByteBuffer buffer) throws IOException {
        files.read(piece.tensor(), piece.from(), buffer.clear().limit(piece.bytes()));
        buffer.flip();
    }

    /**
     * Returns the next piece of the tensor that is being read, or the first one of the next tensor. It is valid until the next call.
     *
     * @throws IOException if a file cannot be read, or with an {@link InterruptedIOException} if this thread is interrupted
     */
    ByteBuffer next() throws IOException {
        Future<?> awaited = reading;
        if (awaited == null) {
            throw new IllegalStateException("there is no further piece");
        }
        try {
            awaited.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while weights were read");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException failure ? failure : new IOException(e.getCause());
        }
        ByteBuffer piece = buffers[current];
        current = 1 - current;
        readAhead();
        return piece;
    }

    @Override
    public void close() {
        // Whatever is being read ends with an exception when its file is closed, which no one waits for.
        thread.shutdownNow();
        files.close();
    }
}
