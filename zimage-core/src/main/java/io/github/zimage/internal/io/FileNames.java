package io.github.zimage.internal.io;

import io.github.zimage.internal.system.SystemFiles;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** Names of files and folders that come as text, from arguments, environment variables and properties. */
public final class FileNames {
    private static final int ASCII = 128;

    private FileNames() {}

    /**
     * Returns a path.
     *
     * @param origin what named it, such as an environment variable; begins the message
     * @throws IllegalArgumentException if the text cannot be a file's name here; the message says why and what to do
     */
    public static Path parse(String origin, String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException(origin + ": " + problem(asWritten(origin, text)), e);
        }
    }

    /** Returns whether a text is the name of a file here, and absolute. */
    public static boolean isAbsolute(String text) {
        try {
            return Path.of(text).isAbsolute();
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** Returns why a text cannot be the name of a file here. */
    public static String problem(String text) {
        boolean ascii = text.chars().allMatch(c -> c < ASCII);
        return "'%s' cannot be a file name here%s"
                .formatted(ShownText.cut(text), ascii ? "" : ", as no locale with UTF-8 is set (try LC_ALL=C.UTF-8)");
    }

    /** Returns the value of a variable as it was written. Java loses everything but ASCII where no locale is set. */
    private static String asWritten(String variable, String read) {
        if (read.indexOf('\uFFFD') < 0) {
            return read;
        }
        String all = SystemFiles.ofThisMachine().text("proc/self/environ");
        Optional<String> found = Stream.of(all.split("\0", -1))
                .filter(each -> each.startsWith(variable + "="))
                .findFirst();
        return found.map(each -> each.substring(variable.length() + 1)).orElse(read);
    }
}
