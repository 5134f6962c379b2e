package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.ConversionCache;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which weights are converted, and which converted ones are kept.
 *
 * @param cache where they are kept
 */
public record WeightConversion(ConversionCache cache) {
    private static final Logger LOG = LoggerFactory.getLogger(WeightConversion.class);

    /** Converts the weights that should be kept and are not, and returns the checkpoint with those that are kept in place of its own. */
    public Checkpoint apply(Checkpoint checkpoint, Map<Component, Precision> precisions, GenerationListener listener) {
        Path folder = cache.folder();
        if (folder == null) {
            return checkpoint;
        }
        WeightCache files = new WeightCache(folder);
        Checkpoint result = checkpoint;
        List<String> failed = new ArrayList<>();
        String reason = "";
        for (Component component : unsuited(checkpoint, precisions)) {
            WeightIndex own = checkpoint.weights(component);
            Precision precision = precision(precisions, component);
            try {
                boolean keeps = keeps(own, precision);
                WeightIndex kept = files.find(component, own, precision, keeps);
                if (kept == null && keeps) {
                    kept = files.convert(component, own, precision, false, progress(component, own, listener));
                }
                result = kept == null ? result : result.withWeights(component, kept);
            } catch (IOException e) {
                rethrowInterruption(e);
                failed.add(component.id());
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
    public List<Path> fill(Checkpoint checkpoint, Map<Component, Precision> precisions, GenerationListener listener) {
        Path folder = cache.folder();
        if (folder == null) {
            throw new IllegalStateException("there must be a folder for converted weights, but the cache is off or the"
                    + " user has no home: name one with ConversionCache.in or in ZIMAGE_CACHE");
        }
        if (precisions.containsValue(Precision.FP8)) {
            throw new IllegalArgumentException("precision must be FP32, BF16 or INT8 to keep converted weights, but was"
                    + " FP8: its numbers are made of the checkpoint's own weights at every start");
        }
        WeightCache files = new WeightCache(folder);
        List<Path> converted = new ArrayList<>();
        for (Component component : unsuited(checkpoint, precisions)) {
            WeightIndex own = checkpoint.weights(component);
            Precision precision = precision(precisions, component);
            try {
                converted.addAll(files.convert(component, own, precision, true, progress(component, own, listener))
                        .files());
            } catch (IOException e) {
                rethrowInterruption(e);
                throw new ZImageException(
                        "converted weights of %s cannot be kept in %s: %s"
                                .formatted(component.id(), folder, AtomicFile.reason(e)),
                        e);
            }
        }
        return converted;
    }

    private static List<Component> unsuited(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        List<Component> components = new ArrayList<>();
        for (Component component : checkpoint.components()) {
            if (EngineLayout.supports(component)) {
                WeightIndex own = checkpoint.weights(component);
                Precision precision = precision(precisions, component);
                if (precision != Precision.FP8
                        && EngineLayout.unsuitedBytes(component, own, precision) > own.byteSize() / 2) {
                    components.add(component);
                }
            }
        }
        return components;
    }

    private static Precision precision(Map<Component, Precision> precisions, Component component) {
        Precision own = precisions.get(component);
        // What is not set for a component is as for the one that it belongs to.
        return own != null
                ? own
                : precisions.entrySet().stream()
                        .filter(each -> each.getKey().id().equals(component.folder()))
                        .map(Map.Entry::getValue)
                        .findFirst()
                        .orElseThrow();
    }

    private boolean keeps(WeightIndex own, Precision precision) {
        return cache.folder() != null && precision != Precision.FP32 && own.byteSize() >= cache.leastBytes();
    }

    /** Returns the components whose weights are rounded to 8-bit integers when they are loaded, since they are not kept. */
    public Set<Component> roundedInMemory(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        Set<Component> components = new HashSet<>();
        for (Component component : unsuited(checkpoint, precisions)) {
            if (precision(precisions, component) == Precision.INT8
                    && !keeps(checkpoint.weights(component), Precision.INT8)) {
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
