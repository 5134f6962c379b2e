package io.github.zimage.internal.system;

import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What Linux says of the file systems that it has mounted. */
public final class Mounts {
    private static final int LEAST_FIELDS = 6;

    private final List<Mount> mounts = new ArrayList<>();

    /**
     * Reads lines of {@code /proc/self/mountinfo}; leaves out those that are none.
     *
     * @param lines in the order in which they were mounted
     */
    public Mounts(List<String> lines) {
        for (String line : lines) {
            Mount mount = Mount.parse(line);
            if (mount != null) {
                mounts.add(mount);
            }
        }
    }

    /** Returns those that a process sees; none on other systems. */
    public static Mounts of(SystemFiles files) {
        return new Mounts(files.lines("proc/self/mountinfo"));
    }

    /**
     * One of them.
     *
     * @param root which folder of the file system it shows
     * @param point where
     * @param options of this mount
     * @param type of the file system
     * @param superOptions of the file system
     */
    record Mount(String root, String point, List<String> options, String type, List<String> superOptions) {
        /** Reads a line such as {@code 36 35 98:0 /root /mount/point rw,noexec shared:1 - ext4 /dev/sda1 rw}. */
        static @Nullable Mount parse(String line) {
            String[] fields = line.split(" ", -1);
            if (fields.length < LEAST_FIELDS) {
                return null;
            }
            int dash = Arrays.asList(fields).indexOf("-");
            boolean typed = dash >= LEAST_FIELDS && dash + 3 < fields.length;
            return new Mount(
                    unescaped(fields[3]),
                    unescaped(fields[4]),
                    List.of(fields[5].split(",", -1)),
                    typed ? fields[dash + 1] : "",
                    typed ? List.of(fields[dash + 3].split(",", -1)) : List.of());
        }
    }

    /** Returns those of a type of file system. */
    List<Mount> ofType(String type) {
        return mounts.stream().filter(mount -> mount.type().equals(type)).toList();
    }

    /** Returns whether nothing is told of any. */
    boolean isEmpty() {
        return mounts.isEmpty();
    }

    /**
     * Returns whether a folder lies on a file system from which nothing may be executed, so that no library can be loaded.
     *
     * @param folder absolute, without links
     */
    public boolean noexec(Path folder) {
        Mount mount = at(folder);
        return mount != null && mount.options().contains("noexec");
    }

    /**
     * Returns the folders that an overlay shows as one, as far as they were named by whoever mounted it; that may have been in another
     * namespace, where other folders have these names.
     *
     * @param path absolute, without links
     */
    public List<Path> layers(Path path) {
        Mount mount = at(path);
        List<Path> layers = new ArrayList<>();
        for (String option : mount == null ? List.<String>of() : mount.superOptions()) {
            if (option.startsWith("lowerdir=") || option.startsWith("lowerdir+=")) {
                for (String layer : option.substring(option.indexOf('=') + 1).split("(?<!\\\\):", -1)) {
                    layer(unescaped(layer)).ifPresent(layers::add);
                }
            }
        }
        return layers;
    }

    private static Optional<Path> layer(String name) {
        try {
            return Optional.of(Path.of(name));
        } catch (InvalidPathException e) {
            return Optional.empty(); // no name in this locale
        }
    }

    private @Nullable Mount at(Path path) {
        int deepest = -1;
        Mount found = null;
        for (Mount mount : mounts) {
            Path point;
            try {
                point = Path.of(mount.point());
            } catch (InvalidPathException e) {
                continue; // Java has no name for it in this locale, so no folder lies there
            }
            // Of several at one place, the last hides the others.
            if (path.startsWith(point) && point.getNameCount() >= deepest) {
                deepest = point.getNameCount();
                found = mount;
            }
        }
        return found;
    }

    /** Returns a path whose blanks, tabs, line feeds and backslashes are written as three octal digits. */
    private static String unescaped(String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        byte[] plain = new byte[bytes.length];
        int length = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\\' && i + 3 < bytes.length && digits(bytes, i).matches("[0-3][0-7]{2}")) {
                plain[length++] = (byte) Integer.parseInt(digits(bytes, i), 8);
                i += 3;
            } else {
                plain[length++] = bytes[i];
            }
        }
        return new String(plain, 0, length, StandardCharsets.UTF_8);
    }

    private static String digits(byte[] bytes, int backslash) {
        return new String(bytes, backslash + 1, 3, StandardCharsets.ISO_8859_1);
    }
}
