package io.github.zimage.internal.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads the small files in which Linux tells of itself, below {@code /proc} and {@code /sys}. What is missing, cannot be read or is not
 * what was expected counts as not told. Immutable.
 */
public final class SystemFiles {
    private static final SystemFiles OF_THIS_MACHINE = new SystemFiles(Path.of("/"));
    private static final Pattern NUMBER = Pattern.compile("\\d{1,19}");
    private static final Pattern NAMED_NUMBER =
            Pattern.compile("(?<name>\\w+):?\\s+(?<number>\\d{1,19})(?<kilo>\\s+kB)?");
    private static final long KILO = 1024;

    private final Path root;

    /**
     * Reads below a folder.
     *
     * @param root the root of the file system
     */
    public SystemFiles(Path root) {
        this.root = root;
    }

    /** Returns those of the machine this runs on. */
    public static SystemFiles ofThisMachine() {
        return OF_THIS_MACHINE;
    }

    /**
     * Returns the text of a file, without what is no UTF-8; empty if it is not told.
     *
     * @param file relative to the root, such as {@code proc/self/status}
     */
    public String text(String file) {
        try {
            return new String(Files.readAllBytes(root.resolve(file)), StandardCharsets.UTF_8);
        } catch (IOException | SecurityException | InvalidPathException e) {
            return "";
        }
    }

    /** Returns the lines of a file; none if it is not told. */
    public List<String> lines(String file) {
        return text(file).lines().toList();
    }

    /** Returns the number that is all of a file; nothing if it is not told, or a word such as {@code max}. */
    public OptionalLong number(String file) {
        return parse(text(file).strip());
    }

    /** Returns the numbers of a file of names and numbers, one a line; those in kB in bytes. */
    public Map<String, Long> numbers(String file) {
        Map<String, Long> numbers = new HashMap<>();
        for (String line : lines(file)) {
            Matcher matcher = NAMED_NUMBER.matcher(line.strip());
            if (matcher.matches()) {
                long unit = matcher.group("kilo") == null ? 1 : KILO;
                OptionalLong number = parse(matcher.group("number"));
                if (number.isPresent() && number.getAsLong() <= Long.MAX_VALUE / unit) {
                    numbers.put(matcher.group("name"), number.getAsLong() * unit);
                }
            }
        }
        return numbers;
    }

    /** Returns the value behind a name and a colon in a file, such as {@code model name} in {@code proc/cpuinfo}; empty if not told. */
    public String value(String file, String name) {
        for (String line : lines(file)) {
            int colon = line.indexOf(':');
            if (colon > 0 && line.substring(0, colon).strip().equals(name)) {
                return line.substring(colon + 1).strip();
            }
        }
        return "";
    }

    /** Returns where a link leads, or null if it is not told. */
    public @Nullable Path link(String file) {
        try {
            return Files.readSymbolicLink(root.resolve(file));
        } catch (IOException | UnsupportedOperationException | SecurityException | InvalidPathException e) {
            return null;
        }
    }

    /** Returns whether there is a folder. */
    boolean hasFolder(String folder) {
        try {
            return Files.isDirectory(root.resolve(folder));
        } catch (SecurityException | InvalidPathException e) {
            return false;
        }
    }

    /** Returns a whole number that is not negative and fits into a long. */
    static OptionalLong parse(String text) {
        if (!NUMBER.matcher(text).matches()) {
            return OptionalLong.empty();
        }
        try {
            return OptionalLong.of(Long.parseLong(text));
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }
}
