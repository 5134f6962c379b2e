package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.internal.io.ShownText;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** Which paths of a repository can be files of any system, below a folder of ours and nowhere else. */
final class RepositoryPath {
    private static final int MOST_BYTES = 1000;
    private static final int MOST_NAME_BYTES = 240;
    /** What Windows takes for a device, whatever follows a dot. */
    private static final Pattern DEVICE =
            Pattern.compile("(?i)(con|prn|aux|nul|conin\\$|conout\\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])( *\\..*)?");

    private static final Pattern FORBIDDEN = Pattern.compile("[\\\\:*?\"<>|\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

    private RepositoryPath() {}

    /** Returns whether a path can be one. */
    static boolean isSafe(String path) {
        if (path.getBytes(StandardCharsets.UTF_8).length > MOST_BYTES) {
            return false;
        }
        for (String name : path.split("/", -1)) {
            if (name.isEmpty()
                    || name.equals(".")
                    || name.equals("..")
                    || name.endsWith(".")
                    || name.startsWith(" ")
                    || name.endsWith(" ")
                    || name.getBytes(StandardCharsets.UTF_8).length > MOST_NAME_BYTES
                    || DEVICE.matcher(name).matches()
                    || FORBIDDEN.matcher(name).find()) {
                return false;
            }
        }
        return !path.startsWith(".cache/"); // what is written about downloads is there
    }

    /**
     * Checks the paths of files that are to lie in one folder.
     *
     * @throws HubException if one is not safe, or two would be the same file where case does not count
     */
    static void check(List<HubFile> files) {
        Set<String> paths = new HashSet<>();
        for (HubFile file : files) {
            if (!isSafe(file.path())) {
                throw new HubException("the repository lists a file that no safe name can be given to, "
                        + ShownText.quoted(file.path()) + "; nothing was fetched");
            }
            if (!paths.add(file.path().toLowerCase(Locale.ROOT))) {
                throw new HubException("the repository lists two files that would be the same one where case does not"
                        + " count, " + ShownText.quoted(file.path()) + " among them; nothing was fetched");
            }
        }
        for (HubFile file : files) {
            if (paths.contains(file.folder().toLowerCase(Locale.ROOT))) {
                throw new HubException("the repository lists " + ShownText.quoted(file.folder())
                        + " as a file and as a folder; nothing was fetched");
            }
        }
    }

    /** Returns the file below a folder. */
    static Path below(Path folder, String path) {
        try {
            Path file = folder.resolve(path).normalize();
            if (file.startsWith(folder.normalize()) && !file.equals(folder.normalize())) {
                return file;
            }
        } catch (InvalidPathException e) {
            // as any other that is not safe
        }
        throw new HubException("no file here can have the name " + ShownText.quoted(path));
    }
}
