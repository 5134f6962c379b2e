package io.github.zimage;

import io.github.zimage.internal.io.FileNames;
import io.github.zimage.internal.io.Given;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where weights are kept that had to be converted, so that the next pipeline maps them like weights that need no conversion. Only
 * transformer and text encoder are kept, and only if most of their bytes are stored in another format than they are computed with:
 * a checkpoint in BF16 that is computed in BF16 takes no room here, and half of its size if it is computed in INT8.
 *
 * <p>Any number of processes may share a folder; of those that want the same weights one converts and the others wait. If weights
 * cannot be kept, for want of room or permission, a pipeline says so in a warning and converts them in memory.
 */
public final class ConversionCache {
    private static final Logger LOG = LoggerFactory.getLogger(ConversionCache.class);

    private static final String VARIABLE = "ZIMAGE_CACHE";
    private static final AtomicBoolean WARNED = new AtomicBoolean();

    /** Less is converted in memory sooner than it is worth a place on somebody's disk. */
    private static final long AUTOMATIC_BYTES = 256_000_000;

    private final @Nullable Path folder;
    private final long leastBytes;

    private ConversionCache(@Nullable Path folder, long leastBytes) {
        this.folder = folder;
        this.leastBytes = leastBytes;
    }

    /**
     * Returns the default: components of 256 MB or more that are computed in BF16 or INT8 are kept in the folder that the environment variable
     * {@code ZIMAGE_CACHE} names. If it is not set, that is {@code zimage} in the user's folder for such files:
     * {@code $XDG_CACHE_HOME} or {@code ~/.cache} on Linux, {@code ~/Library/Caches} on macOS, {@code %LOCALAPPDATA%} on Windows.
     */
    public static ConversionCache automatic() {
        Path place = place(System.getenv(), System.getProperty("os.name", ""), System.getProperty("user.home", ""));
        return new ConversionCache(place, AUTOMATIC_BYTES);
    }

    /** Returns a cache that keeps components of any size that are computed in BF16 or INT8 in a folder, which is made when it is needed. */
    public static ConversionCache in(Path folder) {
        return new ConversionCache(
                Given.value(folder, "folder").toAbsolutePath().normalize(), 0);
    }

    /** Returns a cache that neither keeps anything nor uses what is kept. */
    public static ConversionCache off() {
        return new ConversionCache(null, 0);
    }

    /** Returns the platform's place, or null if the user has none. */
    static @Nullable Path place(Map<String, String> environment, String system, String home) {
        String name = system.toLowerCase(Locale.ROOT);
        String own = environment.getOrDefault(VARIABLE, "");
        try {
            if (!own.isBlank()) {
                return FileNames.parse(VARIABLE, own).toAbsolutePath().normalize();
            }
            Path parent;
            if (name.startsWith("windows")) {
                parent = Path.of(environment.getOrDefault("LOCALAPPDATA", ""));
            } else if (name.startsWith("mac")) {
                parent = Path.of(home, "Library", "Caches");
            } else {
                String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
                parent = FileNames.isAbsolute(xdg) ? Path.of(xdg) : Path.of(home, ".cache");
            }
            // Java says "?" where a user has no home.
            return parent.isAbsolute() ? parent.resolve("zimage").normalize() : null;
        } catch (IllegalArgumentException e) { // also from paths that cannot be here
            if (WARNED.compareAndSet(false, true)) {
                LOG.warn(
                        "Converted weights are not kept: {}",
                        e instanceof InvalidPathException invalid
                                ? FileNames.problem(invalid.getInput())
                                : e.getMessage());
            }
            return null;
        }
    }

    /** Returns the folder, or null if nothing is kept. */
    public @Nullable Path folder() {
        return folder;
    }

    /** Returns how many bytes the weights of a component must have to be kept; what has less is converted at every start. */
    public long leastBytes() {
        return leastBytes;
    }
}
