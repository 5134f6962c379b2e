package io.github.zimage;

import io.github.zimage.internal.conversion.EngineLayout;
import io.github.zimage.internal.conversion.WeightCache;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongConsumer;
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
        return new ConversionCache(folder.toAbsolutePath().normalize(), 0);
    }

    /** Returns a cache that neither keeps anything nor uses what is kept. */
    public static ConversionCache off() {
        return new ConversionCache(null, 0);
    }

    /** Returns the platform's place, or null if the user has none. */
    static @Nullable Path place(Map<String, String> environment, String system, String home) {
        String name = system.toLowerCase(Locale.ROOT);
        String own = environment.getOrDefault("ZIMAGE_CACHE", "");
        try {
            if (!own.isBlank()) {
                return Path.of(own).toAbsolutePath().normalize();
            }
            Path parent;
            if (name.startsWith("windows")) {
                parent = Path.of(environment.getOrDefault("LOCALAPPDATA", ""));
            } else if (name.startsWith("mac")) {
                parent = Path.of(home, "Library", "Caches");
            } else {
                Path xdg = Path.of(environment.getOrDefault("XDG_CACHE_HOME", ""));
                parent = xdg.isAbsolute() ? xdg : Path.of(home, ".cache");
            }
            // Java says "?" where a user has no home.
            return parent.isAbsolute() ? parent.resolve("zimage").normalize() : null;
        } catch (InvalidPathException e) {
            LOG.warn("Converted weights are not kept: {}", e.getMessage());
            return null;
        }
    }

    /** Returns the folder, or null if nothing is kept. */
    public @Nullable Path folder() {
        return folder;
    }

    /** Returns the checkpoint with the weights that are kept in place of its own, after converting those that should be kept. */
    Checkpoint applied(Checkpoint checkpoint, Map<Component, Precision> precisions, GenerationListener listener) {
        if (folder == null) {
            return checkpoint;
        }
        WeightCache cache = new WeightCache(folder);
        Checkpoint result = checkpoint;
        List<String> failed = new ArrayList<>();
        String reason = "";
        for (Component component : unsuited(checkpoint, precisions)) {
            WeightIndex own = checkpoint.weights(component);
            Precision precision = Objects.requireNonNull(precisions.get(component));
            try {
                boolean keeps = keeps(own, precision);
                WeightIndex kept = cache.find(component, own, precision, keeps);
                if (kept == null && keeps) {
                    kept = cache.convert(component, own, precision, false, progress(component, own, listener));
                }
                result = kept == null ? result : result.withWeights(component, kept);
            } catch (IOException e) {
                rethrowInterruption(e);
                failed.add(component.folder());
                reason = AtomicFile.reason(e);
                LOG.debug("why they cannot be kept", e);
            }
        }
        if (!failed.isEmpty()) {
            LOG.warn(
                    "Converted weights of {} cannot be kept in {}: {}. They are converted in memory, at every start",
                    String.join(" and ", failed),
                    folder,
                    reason);
        }
        return result;
    }

    /** Converts all weights that can be kept, checks in full those that are, and returns the files. */
    List<Path> fill(Checkpoint checkpoint, Map<Component, Precision> precisions, GenerationListener listener) {
        if (folder == null) {
            throw new IllegalStateException("there must be a folder for converted weights, but the cache is off or the"
                    + " user has no home: name one with ConversionCache.in or in ZIMAGE_CACHE");
        }
        if (precisions.containsValue(Precision.FP8)) {
            throw new IllegalArgumentException("precision must be FP32, BF16 or INT8 to keep converted weights, but was"
                    + " FP8: its numbers are made of the checkpoint's own weights at every start");
        }
        WeightCache cache = new WeightCache(folder);
        List<Path> files = new ArrayList<>();
        for (Component component : unsuited(checkpoint, precisions)) {
            WeightIndex own = checkpoint.weights(component);
            Precision precision = Objects.requireNonNull(precisions.get(component));
            try {
                files.addAll(cache.convert(component, own, precision, true, progress(component, own, listener))
                        .files());
            } catch (IOException e) {
                rethrowInterruption(e);
                throw new ZImageException(
                        "converted weights of %s cannot be kept in %s: %s"
                                .formatted(component.folder(), folder, AtomicFile.reason(e)),
                        e);
            }
        }
        return files;
    }

    private static List<Component> unsuited(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        List<Component> components = new ArrayList<>();
        for (Component component : Component.values()) {
            if (EngineLayout.supports(component)) {
                WeightIndex own = checkpoint.weights(component);
                Precision precision = Objects.requireNonNull(precisions.get(component));
                if (precision != Precision.FP8
                        && EngineLayout.unsuitedBytes(component, own, precision) > own.byteSize() / 2) {
                    components.add(component);
                }
            }
        }
        return components;
    }

    private boolean keeps(WeightIndex own, Precision precision) {
        return folder != null && precision != Precision.FP32 && own.byteSize() >= leastBytes;
    }

    /** Returns the components whose weights are rounded to 8-bit integers when they are loaded, since they are not kept. */
    Set<Component> roundedInMemory(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        Set<Component> components = EnumSet.noneOf(Component.class);
        for (Component component : unsuited(checkpoint, precisions)) {
            if (precisions.get(component) == Precision.INT8 && !keeps(checkpoint.weights(component), Precision.INT8)) {
                components.add(component);
            }
        }
        return components;
    }

    private static LongConsumer progress(Component component, WeightIndex own, GenerationListener listener) {
        long total = own.byteSize();
        return done -> listener.onConvert(component, Math.min(done, total), total);
    }

    private static void rethrowInterruption(IOException e) {
        if (e instanceof InterruptedIOException || e instanceof ClosedByInterruptException) {
            throw new GenerationCancelledException("the conversion was interrupted", e);
        }
    }
}
