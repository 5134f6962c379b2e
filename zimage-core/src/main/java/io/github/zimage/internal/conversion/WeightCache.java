package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Converted weights that are kept on the disk: a folder for each component, precision and content of a checkpoint, with one file of
 * weights in it and one that is locked by whoever writes. docs/conversion.md describes it.
 */
public final class WeightCache {
    private static final Logger LOG = LoggerFactory.getLogger(WeightCache.class);

    private static final String WEIGHTS = "weights.safetensors";
    /** Room that is left on the disk. */
    private static final long SPARE_BYTES = 256_000_000;

    private final Path root;
    private final CacheTrust trust;

    /** Makes a cache that lies in a folder, which need not exist. */
    public WeightCache(Path root) {
        this.root = root.toAbsolutePath().normalize();
        this.trust = new CacheTrust(this.root);
    }

    /** What a component's weights are converted to, and where that lies. */
    private record Entry(String key, Path folder, List<SafetensorsWriter.Tensor> layout) {
        Path file() {
            return folder.resolve(WEIGHTS);
        }
    }

    private Entry entry(Component component, WeightIndex weights, Precision precision) throws IOException {
        List<SafetensorsWriter.Tensor> layout = EngineLayout.tensors(component, weights, precision);
        String key = WeightKey.of(component, weights, precision);
        return new Entry(key, root.resolve(folderPrefix(component, precision) + key.substring(0, 32)), layout);
    }

    private static String folderPrefix(Component component, Precision precision) {
        return component.id() + "-" + precision.name().toLowerCase(Locale.ROOT) + "-";
    }

    /**
     * Returns where converted weights lie, or null if there are none that are sound.
     *
     * @param weights the checkpoint's own
     * @param mended whether {@link #convert} follows where there are none, which says itself what is wrong with those that are there
     * @throws IOException if these cannot be read
     */
    public @Nullable WeightIndex find(Component component, WeightIndex weights, Precision precision, boolean mended)
            throws IOException {
        try {
            if (FolderLock.list(root, folderPrefix(component, precision) + "*").isEmpty()) {
                return null;
            }
        } catch (IOException e) {
            LOG.debug("{} cannot be read", root, e);
            return null;
        }
        Entry entry = entry(component, weights, precision);
        try {
            if (!Files.exists(entry.file())) {
                return null;
            }
            trust.requireOwn(entry.folder(), entry.file());
            return open(entry, weights);
        } catch (ModelLoadException | IOException e) {
            if (mended) {
                LOG.debug("converted weights cannot be used", e);
            } else {
                LOG.warn(
                        "Converted weights of {} are damaged and not used, so that this start takes longer and more memory: {}."
                                + " Convert them again, or delete them",
                        component.folder(),
                        e.getMessage());
            }
            return null;
        }
    }

    private static WeightIndex open(Entry entry, WeightIndex weights) throws IOException {
        return weights.movedTo(ConvertedFile.open(entry.file(), entry.layout(), entry.key(), false, done -> {}));
    }

    /** As {@link #open}, but reads all bytes. */
    private static WeightIndex check(Entry entry, WeightIndex weights, LongConsumer progress) throws IOException {
        double sourceBytes = (double) weights.byteSize() / ConvertedFile.dataBytes(entry.layout());
        return weights.movedTo(ConvertedFile.open(
                entry.file(), entry.layout(), entry.key(), true, done -> progress.accept((long) (done * sourceBytes))));
    }

    /**
     * Converts weights, or takes those that are there if they are sound. If another process converts the same ones, waits for it.
     * Removes what processes left that were killed, and what was made from the same files when they had another content.
     *
     * @param thorough whether all bytes of what is there are compared with their checksums
     * @param progress hears how many bytes of {@code weights} are converted or, in a thorough check, compared
     * @throws IOException if weights cannot be read or written; an {@link InterruptedIOException} or
     *     {@link java.nio.channels.ClosedByInterruptException} if this thread is interrupted. Nothing half-written is left
     */
    public WeightIndex convert(
            Component component, WeightIndex weights, Precision precision, boolean thorough, LongConsumer progress)
            throws IOException {
        Entry entry = entry(component, weights, precision);
        trust.makeOwn(entry.folder());
        try (FolderLock lock = FolderLock.await(entry.folder())) {
            if (Files.exists(entry.file()) && !Files.isRegularFile(entry.file())) {
                throw new IOException(entry.file() + " is there, but is no file");
            }
            if (Files.exists(entry.file())) {
                try {
                    trust.requireOwn(entry.folder(), entry.file());
                    return thorough ? check(entry, weights, progress) : open(entry, weights);
                } catch (ModelLoadException e) {
                    LOG.warn(
                            "Converted weights of {} are damaged, or could be, and are made anew: {}",
                            component.folder(),
                            e.getMessage());
                }
            }
            String source = source(weights);
            FolderLock.sweep(root);
            lock.removeTemporaries();
            removeSuperseded(component, precision, entry, source);
            requireSpace(entry);
            LOG.info(
                    "Converting weights of {} from {} to {}, once: {} into {} at {}",
                    component.folder(),
                    storageTypes(weights),
                    precision,
                    size(weights.storedBytes()),
                    size(ConvertedFile.dataBytes(entry.layout())),
                    entry.file());
            ConvertedFile.write(
                    entry.file(),
                    entry.layout(),
                    weights,
                    entry.key(),
                    source,
                    () -> requireUnchanged(component, weights, precision, entry),
                    progress);
            return open(entry, weights);
        } catch (ModelLoadException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static void requireUnchanged(Component component, WeightIndex weights, Precision precision, Entry entry)
            throws IOException {
        if (!WeightKey.of(component, weights, precision).equals(entry.key())) {
            throw new IOException("the checkpoint has changed while it was converted");
        }
    }

    /** Removes what was made from the same files when they had another content, unless it is in use where that matters. */
    private void removeSuperseded(Component component, Precision precision, Entry entry, String source)
            throws IOException {
        List<Path> others = FolderLock.list(root, folderPrefix(component, precision) + "*");
        others.remove(entry.folder());
        if (source.isEmpty()) {
            return;
        }
        for (Path folder : others) {
            Path file = folder.resolve(WEIGHTS);
            try {
                if (Files.exists(file) && ConvertedFile.source(file).equals(source)) {
                    Files.delete(file);
                    Files.deleteIfExists(FolderLock.file(folder));
                    Files.delete(folder);
                    LOG.info("Removed {}, made from what {} held before", file, source);
                }
            } catch (IOException | ModelLoadException e) {
                LOG.debug("{} cannot be removed", folder, e);
            }
        }
    }

    private static String source(WeightIndex weights) {
        return weights.files().stream()
                .map(file -> file.toAbsolutePath().toString())
                .collect(Collectors.joining(", "));
    }

    private static void requireSpace(Entry entry) throws IOException {
        long needed = ConvertedFile.dataBytes(entry.layout()) + SPARE_BYTES;
        long free = Files.getFileStore(entry.folder()).getUsableSpace();
        if (free < needed) {
            throw new IOException(String.format(
                    Locale.ROOT, "%s are needed on its disk, but only %s are free", size(needed), size(free)));
        }
    }

    private static String storageTypes(WeightIndex weights) {
        return weights.tensors().values().stream()
                .map(TensorEntry::encoding)
                .distinct()
                .collect(Collectors.joining(", "));
    }

    private static String size(long bytes) {
        return bytes < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }
}
