package io.github.zimage.internal.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** Writes files that appear whole or not at all. */
public final class AtomicFile {
    private AtomicFile() {}

    /**
     * Writes a file, replacing the one that was there. A symbolic link is followed. On failure the file that was there, if any,
     * is as it was, and nothing is left beside it.
     *
     * @throws IOException if the file cannot be written; the message names it and says why
     */
    public static void write(Path file, byte[] content) throws IOException {
        try {
            replace(Files.exists(file) ? file.toRealPath() : file.toAbsolutePath(), content);
        } catch (IOException e) {
            throw new IOException("cannot write %s: %s".formatted(file, reason(e)), e);
        }
    }

    private static void replace(Path target, byte[] content) throws IOException {
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
        Path temporary = target.resolveSibling(".zimage-" + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                ByteBuffer bytes = ByteBuffer.wrap(content);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException | Error e) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    private static String reason(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        return e instanceof FileSystemException refused && refused.getReason() != null
                ? refused.getReason()
                : String.valueOf(e.getMessage());
    }
}
