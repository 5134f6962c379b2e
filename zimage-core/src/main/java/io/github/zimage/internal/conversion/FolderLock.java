package io.github.zimage.internal.conversion;

import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.PrivateFiles;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The right to write into a folder of converted weights, which one process at a time has. */
final class FolderLock implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FolderLock.class);

    private static final long POLL_MILLIS = 200;
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final Path folder;
    private final FileChannel channel;
    private final FileLock lock;

    private FolderLock(Path folder, FileChannel channel, FileLock lock) {
        this.folder = folder;
        this.channel = channel;
        this.lock = lock;
    }

    /** Returns the file that is locked. */
    static Path file(Path folder) {
        return folder.resolve("lock");
    }

    /** Waits for the lock as long as who holds it gets on. */
    static FolderLock await(Path folder) throws IOException {
        Path file = file(folder);
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS) && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(file + " must be a file, but is a folder, a link or a special file");
        }
        // Opened for reading, too: that waits for nobody, even if it has become a pipe meanwhile.
        FileChannel channel = FileChannel.open(
                file,
                Set.of(
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        LinkOption.NOFOLLOW_LINKS),
                PrivateFiles.fileMode());
        boolean done = false;
        try {
            FolderLock held = new FolderLock(folder, channel, await(folder, channel));
            done = true;
            return held;
        } finally {
            if (!done) {
                channel.close();
            }
        }
    }

    private static FileLock await(Path folder, FileChannel channel) throws IOException {
        long waiting = System.nanoTime();
        long written = -1;
        while (true) {
            FileLock lock = tryLock(channel);
            if (lock != null) {
                return lock;
            }
            if (written < 0) {
                LOG.info("Waiting for another process that converts the same weights in {}", folder);
            }
            long bytes = temporaryBytes(folder);
            if (bytes != written) {
                written = bytes;
                waiting = System.nanoTime();
            } else if (System.nanoTime() - waiting > PATIENCE.toNanos()) {
                throw new IOException("the process that converts the same weights has not got on for "
                        + PATIENCE.toMinutes() + " minutes");
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted while another process converted weights");
            }
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // another thread of this process
        }
    }

    private static long temporaryBytes(Path folder) throws IOException {
        long bytes = 0;
        for (Path file : list(folder, "*")) {
            bytes += AtomicFile.isTemporary(file) ? file.toFile().length() : 0;
        }
        return bytes;
    }

    /** Removes what processes left in any folder of a cache that were killed while they wrote: theirs are not locked. */
    static void sweep(Path root) throws IOException {
        for (Path folder : list(root, "*")) {
            try {
                sweepOne(folder);
            } catch (IOException e) {
                LOG.debug("{} cannot be swept", folder, e);
            }
        }
    }

    private static void sweepOne(Path folder) throws IOException {
        Path lockFile = file(folder);
        if (!Files.isRegularFile(lockFile, LinkOption.NOFOLLOW_LINKS)
                || list(folder, "*").stream().noneMatch(AtomicFile::isTemporary)) {
            return;
        }
        try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.READ, StandardOpenOption.WRITE);
                FileLock lock = tryLock(channel)) {
            if (lock != null) {
                removeTemporaries(folder);
            }
        }
    }

    /** Removes what processes left in this folder. */
    void removeTemporaries() throws IOException {
        removeTemporaries(folder);
    }

    private static void removeTemporaries(Path folder) throws IOException {
        for (Path file : list(folder, "*")) {
            if (AtomicFile.isTemporary(file)) {
                LOG.debug("removing {}, left by a process that was ended", file);
                Files.deleteIfExists(file);
            }
        }
    }

    /** Returns the files and folders in a folder whose names fit a pattern. */
    static List<Path> list(Path folder, String pattern) throws IOException {
        if (!Files.isDirectory(folder)) { // opening a pipe would wait for its other end
            throw new NotDirectoryException(folder.toString());
        }
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, pattern)) {
            stream.forEach(files::add);
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return files;
    }

    @Override
    public void close() throws IOException {
        try (channel) {
            lock.close();
        }
    }
}
