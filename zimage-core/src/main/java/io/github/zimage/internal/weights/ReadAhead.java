package io.github.zimage.internal.weights;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings weights that will be used through a mapping into the system's page cache, in the order of their use. Who meets the pages of a
 * mapped file one by one waits for the disk again and again; in a row, the disk is several times as fast. What is in the cache
 * already is left alone.
 *
 * <p>Linux moves pages from a file to {@code /dev/null} without a copy, so that takes hardly any time from the threads that compute.
 * Elsewhere nothing is read ahead.
 */
public final class ReadAhead implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ReadAhead.class);

    private static final Path SINK = Path.of("/dev/null");
    /** Less than this is not worth a thread. */
    private static final long WORTHWHILE_BYTES = 64 << 20;

    private static final long PIECE_BYTES = 64 << 20;
    private static final int PROBES = 8;
    private static final int PROBE_BYTES = 4096;
    /** A page that is in the cache comes sooner than this, from a disk it comes later. */
    private static final long CACHED_NANOS = 30_000;

    private final ExecutorService thread;
    private final ByteBuffer probe = ByteBuffer.allocateDirect(PROBE_BYTES);
    private final AtomicLong brought = new AtomicLong();

    /** Starts nothing yet. */
    public ReadAhead() {
        thread = Executors.newSingleThreadExecutor(task -> {
            Thread made = new Thread(task, "zimage-read-ahead");
            made.setDaemon(true);
            return made;
        });
    }

    /** Begins to read weights, behind those that were given before. */
    public void add(List<TensorEntry> weights) {
        if (!Files.exists(SINK)
                || weights.stream().mapToLong(TensorEntry::byteSize).sum() < WORTHWHILE_BYTES) {
            return;
        }
        for (TensorEntry entry : weights) {
            for (long done = 0; done < entry.byteSize(); done += PIECE_BYTES) {
                long offset = entry.offset() + done;
                long length = Math.min(PIECE_BYTES, entry.byteSize() - done);
                try {
                    thread.execute(() -> bring(entry, offset, length));
                } catch (RejectedExecutionException e) {
                    return; // closed
                }
            }
        }
    }

    private void bring(TensorEntry entry, long offset, long length) {
        try (FileChannel file = FileChannel.open(entry.file(), StandardOpenOption.READ);
                FileChannel sink = FileChannel.open(SINK, StandardOpenOption.WRITE)) {
            if (!isCached(file, offset, length)) {
                long done = 0;
                while (done < length) {
                    long count = file.transferTo(offset + done, length - done, sink);
                    if (count <= 0) {
                        throw new EOFException("the file ends at byte " + (offset + done));
                    }
                    done += count;
                }
            }
            brought.addAndGet(length);
        } catch (IOException e) {
            // Whoever uses the weights will say so; if it was closed, nobody needs them.
            LOG.debug("cannot read ahead {} in {}: {}", entry.name(), entry.file(), e.toString());
        }
    }

    /** Looks at some pages, from the end on, since the system itself reads some way ahead. */
    private boolean isCached(FileChannel file, long offset, long length) throws IOException {
        for (int i = PROBES; i > 0; i--) {
            long start = System.nanoTime();
            if (file.read(probe.clear(), offset + Math.max(0, length * i / PROBES - PROBE_BYTES)) < 0) {
                throw new EOFException("the file ends before byte " + (offset + length));
            }
            if (System.nanoTime() - start > CACHED_NANOS) {
                return false;
            }
        }
        return true;
    }

    /** Waits until all is read, takes nothing more, and returns how many bytes there were. */
    long await() throws InterruptedException {
        thread.shutdown();
        if (!thread.awaitTermination(1, TimeUnit.HOURS)) {
            throw new IllegalStateException("still reading");
        }
        return brought.get();
    }

    /** Ends the reading, without waiting for it. */
    @Override
    public void close() {
        thread.shutdownNow();
    }
}
