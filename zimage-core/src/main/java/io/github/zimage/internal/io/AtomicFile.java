package io.github.zimage.internal.io;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file that appears under its name whole or not at all. Until it is committed, what is written lies in a temporary file beside
 * it; closed without that, nothing is left behind, and the file that was there, if any, is as it was. Not thread-safe.
 */
public final class AtomicFile implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(AtomicFile.class);

    private static final String PREFIX = ".zimage-";
    private static final String SUFFIX = ".tmp";

    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private boolean closed;

    private AtomicFile(Path target, boolean isPrivate) throws IOException {
        this.target = target;
        this.temporary = target.resolveSibling(PREFIX + UUID.randomUUID() + SUFFIX);
        this.channel = FileChannel.open(
                temporary,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                isPrivate ? PrivateFiles.fileMode() : new FileAttribute<?>[0]);
        if (isPrivate) {
            PrivateFiles.restrictFile(temporary);
        }
    }

    /**
     * Starts a file.
     *
     * @param file the file to make or to replace, in a folder that exists; a symbolic link is followed
     * @throws IOException if nothing can be written there; the message says why
     */
    public static AtomicFile create(Path file) throws IOException {
        return create(file, false);
    }

    /** As the other one, of a file that only its owner may read and write, whatever the umask. */
    public static AtomicFile createPrivate(Path file) throws IOException {
        return create(file, true);
    }

    private static AtomicFile create(Path file, boolean isPrivate) throws IOException {
        Path target = Files.exists(file) ? file.toRealPath() : file.toAbsolutePath();
        if (Files.isDirectory(target)) {
            throw new IOException("it is a folder");
        }
        if (Files.exists(target)) {
            // A rename would replace even a device or a write-protected file.
            if (!Files.isRegularFile(target)) {
                throw new IOException("it is not a regular file");
            }
            if (!Files.isWritable(target)) {
                throw new IOException("it is write-protected");
            }
        } else if (!Files.isDirectory(target.resolveSibling(""))) {
            throw new IOException("there is no folder " + target.resolveSibling(""));
        }
        return new AtomicFile(target, isPrivate);
    }

    /**
     * Writes a whole file.
     *
     * @throws IOException if the file cannot be written; the message names it and says why
     */
    public static void write(Path file, byte[] content) throws IOException {
        write(file, content, false);
    }

    /** As the other one, of a file that only its owner may read and write, whatever the umask. */
    public static void writePrivate(Path file, byte[] content) throws IOException {
        write(file, content, true);
    }

    private static void write(Path file, byte[] content, boolean isPrivate) throws IOException {
        try (AtomicFile written = create(file, isPrivate)) {
            written.write(ByteBuffer.wrap(content));
            written.commit();
        } catch (IOException e) {
            throw new IOException("cannot write %s: %s".formatted(file, reason(e)), e);
        }
    }

    /** Returns whether a file has the name of one that has not been committed. */
    public static boolean isTemporary(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
    }

    /** Returns why a file could not be written, for people. */
    public static String reason(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        return e instanceof FileSystemException refused && refused.getReason() != null
                ? refused.getReason()
                : String.valueOf(e.getMessage());
    }

    /** Appends all bytes that remain in a buffer. */
    public void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** Makes the file appear under its name, after all of it has reached the disk. */
    public void commit() throws IOException {
        channel.force(true);
        channel.close();
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        closed = true;
        forceFolder();
    }

    /** Makes the renaming last; where a folder cannot be opened as a file, the file system sees to that itself. */
    private void forceFolder() {
        try (FileChannel folder = FileChannel.open(target.resolveSibling(""), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException e) {
            LOG.debug("the folder of {} cannot be synchronized", target, e);
        }
    }

    /** Ends the writing; unless the file was committed, what there is of it goes. */
    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try {
            channel.close();
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
