package io.github.zimage.internal.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The right to fetch a file, which one thread of all JVMs has. The file that is locked is the one that Hugging Face's library locks, too;
 * but the systems' two kinds of locks do not see each other, so that contents are safe by their own names and by renaming, not by this.
 */
final class BlobLock implements AutoCloseable {
    /** Those of this process. Whoever closed a second channel of one would give up the lock on the first, on POSIX systems. */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path file;
    private final FileChannel channel;

    private BlobLock(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /** Returns the lock, or null if another thread or process has it. */
    static @Nullable BlobLock tryAcquire(Path file) throws IOException {
        Path absolute = file.toAbsolutePath().normalize();
        if (!HELD.add(absolute)) {
            return null; // another thread of this process
        }
        BlobLock lock = null;
        try {
            lock = lock(absolute);
            return lock;
        } finally {
            if (lock == null) {
                HELD.remove(absolute);
            }
        }
    }

    private static @Nullable BlobLock lock(Path file) throws IOException {
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        FileChannel channel = FileChannel.open(
                file,
                Set.of(
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        LinkOption.NOFOLLOW_LINKS));
        FileLock lock = null;
        try {
            lock = channel.tryLock();
            return lock == null ? null : new BlobLock(file, channel);
        } finally {
            if (lock == null) {
                channel.close();
            }
        }
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            HELD.remove(file);
        }
    }
}
