package io.github.zimage.cli;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** Checks, before hours of work, that their result can be written. */
final class OutputFile {
    private OutputFile() {}

    /**
     * Tries whether a file can be written here, and leaves everything as it was.
     *
     * @throws IllegalArgumentException if not; the message names the file and the reason
     */
    static void check(Path file) {
        if (Files.isDirectory(file)) {
            throw refused(file, "it is a folder");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw refused(file, "it is not a regular file");
        }
        if (Files.exists(file) && !Files.isWritable(file)) {
            throw refused(file, "it is write-protected");
        }
        Path folder;
        try {
            folder = (Files.exists(file) ? file.toRealPath() : file.toAbsolutePath()).resolveSibling("");
        } catch (IOException e) {
            throw refused(file, String.valueOf(e.getMessage()));
        }
        if (!Files.isDirectory(folder)) {
            throw refused(file, "there is no folder " + folder);
        }
        Path probe = folder.resolve(".zimage-" + UUID.randomUUID() + ".tmp");
        try {
            Files.write(probe, new byte[0], StandardOpenOption.CREATE_NEW);
            Files.delete(probe);
        } catch (IOException e) {
            String reason = e instanceof FileSystemException failure && failure.getReason() != null
                    ? failure.getReason()
                    : "permission denied";
            throw refused(file, "no file can be made in %s (%s)".formatted(folder, reason));
        }
    }

    private static IllegalArgumentException refused(Path file, String reason) {
        return new IllegalArgumentException("cannot write %s: %s".formatted(file, reason));
    }
}
