package io.github.zimage.cli;

import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.UUID;
import java.util.stream.IntStream;

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
        checkFolder(file, folder);
    }

    /**
     * Tries whether a file of any name can be written beside this one, and leaves everything as it was.
     *
     * @throws IllegalArgumentException if not; the message names the file and the reason
     */
    static void checkBeside(Path file) {
        checkFolder(file, file.toAbsolutePath().resolveSibling(""));
    }

    private static void checkFolder(Path file, Path folder) {
        if (!Files.isDirectory(folder)) {
            throw refused(file, "there is no folder " + folder);
        }
        Path probe = folder.resolve(".zimage-" + UUID.randomUUID() + ".tmp");
        try {
            Files.write(probe, new byte[0], StandardOpenOption.CREATE_NEW);
            Files.delete(probe);
        } catch (IOException e) {
            throw refused(file, "no file can be made in %s (%s)".formatted(folder, AtomicFile.reason(e)));
        }
    }

    /**
     * Makes an empty file under the first name that is free, which no other process can get then, too.
     *
     * @param names from which to choose, endless
     * @throws IllegalArgumentException if no file can be made
     */
    static Path reserve(Iterator<Path> names) {
        while (true) {
            Path file = names.next();
            try {
                return Files.createFile(file);
            } catch (FileAlreadyExistsException e) {
                // The next one, then.
            } catch (IOException e) {
                throw refused(file, AtomicFile.reason(e));
            }
        }
    }

    /** Gives back a file that was made by {@link #reserve} and could not be filled. */
    static void release(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // Why it could not be filled says more.
        }
    }

    /**
     * Returns names to choose from: {@code fox.png}, {@code fox-1.png}, {@code fox-2.png} and so on.
     *
     * @param first the number that the first name has; 0 for none
     */
    static Iterator<Path> numbered(Path file, int first) {
        return IntStream.iterate(first, number -> number + 1)
                .mapToObj(number -> number == 0 ? file : withEnd(file, String.valueOf(number)))
                .iterator();
    }

    /** Returns a name with something behind it, before the ending: {@code fox-1.png}. */
    static Path withEnd(Path file, String end) {
        String name = file.toString();
        int dot = name.lastIndexOf('.');
        return Path.of(name.substring(0, dot) + "-" + end + name.substring(dot));
    }

    private static IllegalArgumentException refused(Path file, String reason) {
        return new IllegalArgumentException("cannot write %s: %s".formatted(file, reason));
    }
}
