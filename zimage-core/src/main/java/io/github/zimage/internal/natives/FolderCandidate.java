package io.github.zimage.internal.natives;

import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.io.FileNames;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A folder in which native libraries, or other files out of jars, may be.
 *
 * @param path absolute
 * @param named whether the user chose it, so that no other is tried
 * @param temporary whether it is below a folder for temporary files, which is not made if it is missing
 */
record FolderCandidate(Path path, boolean named, boolean temporary) {
    /** Where users say where the libraries shall be. */
    static final String PROPERTY = "zimage.natives";

    /** Likewise, where the property is not set. */
    static final String VARIABLE = "ZIMAGE_NATIVES";

    /** JavaCPP's own property, in both of its spellings; holds where neither of ours is set. */
    private static final List<String> JAVACPP_PROPERTIES =
            List.of("org.bytedeco.javacpp.cachedir", "org.bytedeco.javacpp.cacheDir");

    /**
     * Returns the folders to try for native libraries, in their order.
     *
     * @param user number of the user, or -1 where users have none
     */
    static List<FolderCandidate> of(Map<String, String> environment, Properties properties, int user) {
        Map.Entry<String, String> named = named(environment, properties);
        if (named != null) {
            try {
                Path folder = FileNames.parse(named.getKey(), named.getValue());
                return List.of(new FolderCandidate(folder.toAbsolutePath().normalize(), true, false));
            } catch (IllegalArgumentException e) {
                throw new NativeLibraryException("no folder for the native libraries: " + e.getMessage(), e);
            }
        }
        return ofUser(environment, properties, user, "natives");
    }

    /** As the other one, for files that are no code; whoever wants them elsewhere names another folder for caches. */
    static List<FolderCandidate> ofData(Map<String, String> environment, Properties properties, int user) {
        return ofUser(environment, properties, user, "");
    }

    private static List<FolderCandidate> ofUser(
            Map<String, String> environment, Properties properties, int user, String kind) {
        String system = properties.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        List<FolderCandidate> found = new ArrayList<>();
        for (Path cache : caches(system, environment, properties)) {
            found.add(new FolderCandidate(cache.resolve("zimage").resolve(kind), false, false));
        }
        String owner = user >= 0 ? Integer.toString(user) : plain(properties.getProperty("user.name", ""));
        String name = kind.isEmpty() ? "zimage-" + owner : "zimage-" + kind + "-" + owner;
        for (Path temporary : temporaries(system, properties)) {
            found.add(new FolderCandidate(temporary.resolve(name), false, true));
        }
        return found;
    }

    /** Returns what names the folder, and how, or null. */
    private static Map.@Nullable Entry<String, String> named(Map<String, String> environment, Properties properties) {
        Map<String, String> chosen = new LinkedHashMap<>();
        chosen.put(PROPERTY, properties.getProperty(PROPERTY, ""));
        chosen.put(VARIABLE, environment.getOrDefault(VARIABLE, ""));
        JAVACPP_PROPERTIES.forEach(property -> chosen.put(property, properties.getProperty(property, "")));
        return chosen.entrySet().stream()
                .filter(entry -> !entry.getValue().isBlank())
                .findFirst()
                .orElse(null);
    }

    /** Returns the folders for caches of the user: Java's idea of the home, and the one that the environment names. */
    private static Set<Path> caches(String system, Map<String, String> environment, Properties properties) {
        Set<Path> found = new LinkedHashSet<>();
        if (system.startsWith("windows")) {
            addAbsolute(found, environment.getOrDefault("LOCALAPPDATA", ""), "");
            return found;
        }
        if (!system.startsWith("mac")) {
            addAbsolute(found, environment.getOrDefault("XDG_CACHE_HOME", ""), "");
        }
        String below = system.startsWith("mac") ? "Library/Caches" : ".cache";
        // Java says "?" of a user whom the system does not know.
        addAbsolute(found, properties.getProperty("user.home", ""), below);
        addAbsolute(found, environment.getOrDefault("HOME", ""), below);
        return found;
    }

    private static Set<Path> temporaries(String system, Properties properties) {
        Set<Path> found = new LinkedHashSet<>();
        addAbsolute(found, properties.getProperty("java.io.tmpdir", ""), "");
        if (system.startsWith("linux")) {
            addAbsolute(found, "/var/tmp", "");
        }
        return found;
    }

    private static void addAbsolute(Set<Path> found, String folder, String below) {
        if (FileNames.isAbsolute(folder)) {
            found.add(Path.of(folder).resolve(below).normalize());
        }
    }

    private static String plain(String userName) {
        return userName.replaceAll("[^A-Za-z0-9_-]", "_");
    }
}
