package io.github.zimage.internal.natives;

import io.github.zimage.internal.io.PrivateFiles;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps several processes from doing the same work. Nothing breaks without it, because libraries appear whole or not at all: it is not
 * waited for endlessly, and not needed where the file system has no locks. The system gives it up for a process that is killed.
 */
final class UnpackLock implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(UnpackLock.class);
    private static final long PAUSE_NANOS = 20_000_000;
    private static final long SAY_NANOS = 2_000_000_000;

    private final @Nullable FileChannel channel;
    private final boolean held;

    private UnpackLock(@Nullable FileChannel channel, boolean held) {
        this.channel = channel;
        this.held = held;
    }

    /**
     * Waits for the lock.
     *
     * @param file made if it is missing
     * @param limitNanos how long at most
     */
    static UnpackLock acquire(Path file, long limitNanos) {
        FileChannel channel = null;
        try {
            if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)
                    && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
                PrivateFiles.deleteAll(file); // in a folder of ours; opening a pipe would wait for its other end
            }
            channel = FileChannel.open(
                    file,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
                    PrivateFiles.fileMode());
            return new UnpackLock(channel, locked(channel, file, limitNanos));
        } catch (IOException e) {
            LOG.debug("No lock on {}", file, e);
            return new UnpackLock(channel, false);
        }
    }

    private static boolean locked(FileChannel channel, Path file, long limitNanos) throws IOException {
        long start = System.nanoTime();
        boolean said = false;
        while (true) {
            FileLock lock = tryLock(channel);
            if (lock != null) {
                return true;
            }
            long waited = System.nanoTime() - start;
            if (waited > limitNanos || Thread.currentThread().isInterrupted()) {
                LOG.warn(
                        "Another process has kept {} locked for {} s; going on without it",
                        file,
                        waited / 1_000_000_000);
                return false;
            }
            if (!said && waited > SAY_NANOS) {
                LOG.info("Waiting for another process that unpacks to {}", file.getParent());
                said = true;
            }
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            // Another class loader of this JVM has it.
            return null;
        }
    }

    /** Returns whether no other process has it. */
    boolean held() {
        return held;
    }

    @Override
    public void close() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            LOG.debug("Lock not closed", e);
        }
    }
}
