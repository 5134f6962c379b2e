package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
    private static final String LOCK = "lock";
    private static final int SAMPLE_BYTES = 4096;
    /** Room that is left on the disk. */
    private static final long SPARE_BYTES = 256_000_000;

    private static final long POLL_MILLIS = 200;
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    private final Path root;

    /** Makes a cache that lies in a folder, which need not exist. */
    public WeightCache(Path root) {
        this.root = root.toAbsolutePath().normalize();
    }

    /** What a component's weights are converted to, and where that lies. */
    private record Entry(String key, Path folder, List<SafetensorsWriter.Tensor> layout) {
        Path file() {
            return folder.resolve(WEIGHTS);
        }

        Path lock() {
            return folder.resolve(LOCK);
        }
    }

    private Entry entry(Component component, WeightIndex weights, Precision precision) throws IOException {
        List<SafetensorsWriter.Tensor> layout = EngineLayout.tensors(component, weights, precision);
        String key = key(component, weights, precision);
        return new Entry(key, root.resolve(folderPrefix(component, precision) + key.substring(0, 32)), layout);
    }

    private static String folderPrefix(Component component, Precision precision) {
        return component.id() + "-" + precision.name().toLowerCase(Locale.ROOT) + "-";
    }

    /**
     * Sums up what weights are converted from: sizes, times and tables of contents of their files, and a page of each tensor. A start
     * must not read all weights, and neither of these alone would notice every change: a fine-tuned checkpoint has the sizes of the
     * original, and an archive restores times.
     */
    private static String key(Component component, WeightIndex weights, Precision precision) throws IOException {
        MessageDigest digest = sha256();
        put(digest, "layout " + EngineLayout.VERSION, component.id().toUpperCase(Locale.ROOT), precision.name());
        Map<Path, FileChannel> channels = new HashMap<>();
        try {
            for (Path file : weights.files()) {
                put(digest, Files.size(file), Files.getLastModifiedTime(file).toMillis());
                channels.put(file, FileChannel.open(file, StandardOpenOption.READ));
            }
            List<Path> files = weights.files();
            for (TensorEntry tensor : weights.tensors().values()) {
                put(digest, tensor.name(), tensor.type(), tensor.shape(), files.indexOf(tensor.file()));
                put(digest, tensor.offset(), tensor.byteSize());
                FileChannel channel = channels.get(tensor.file());
                if (channel != null) {
                    ByteBuffer sample = ByteBuffer.allocate((int) Math.min(SAMPLE_BYTES, tensor.byteSize()));
                    long within = Math.floorMod(
                            tensor.name().hashCode() * 0x9e3779b97f4a7c15L, tensor.byteSize() - sample.capacity() + 1);
                    PieceReader.readFully(channel, sample, tensor.offset() + within);
                    digest.update(sample.flip());
                }
            }
        } finally {
            for (FileChannel channel : channels.values()) {
                channel.close();
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void put(MessageDigest digest, Object... values) {
        for (Object value : values) {
            digest.update(String.valueOf(value).getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JVM has SHA-256", e);
        }
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
            if (list(root, folderPrefix(component, precision) + "*").isEmpty()) {
                return null;
            }
        } catch (IOException e) {
            LOG.debug("{} cannot be read", root, e);
            return null;
        }
        Entry entry = entry(component, weights, precision);
        try {
            return Files.exists(entry.file()) ? open(entry, weights) : null;
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
        Files.createDirectories(entry.folder());
        try (FileChannel channel = openLock(entry);
                FileLock lock = await(entry, channel)) {
            if (Files.exists(entry.file())) {
                try {
                    return thorough ? check(entry, weights, progress) : open(entry, weights);
                } catch (ModelLoadException e) {
                    LOG.warn(
                            "Converted weights of {} are damaged and made anew: {}",
                            component.folder(),
                            e.getMessage());
                }
            }
            String source = source(weights);
            sweep();
            removeTemporaries(entry.folder());
            removeSuperseded(component, precision, entry, source);
            requireSpace(entry);
            LOG.info(
                    "Converting weights of {} from {} to {}, once: {} into {} at {}",
                    component.folder(),
                    storageTypes(weights),
                    precision,
                    size(weights.byteSize()),
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
        if (!key(component, weights, precision).equals(entry.key())) {
            throw new IOException("the checkpoint has changed while it was converted");
        }
    }

    private static FileChannel openLock(Entry entry) throws IOException {
        return FileChannel.open(entry.lock(), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    /** Waits for the lock as long as who holds it gets on. */
    private static FileLock await(Entry entry, FileChannel channel) throws IOException {
        long waiting = System.nanoTime();
        long written = -1;
        while (true) {
            FileLock lock = tryLock(channel);
            if (lock != null) {
                return lock;
            }
            if (written < 0) {
                LOG.info("Waiting for another process that converts the same weights to {}", entry.file());
            }
            long bytes = temporaryBytes(entry.folder());
            if (bytes != written) {
                written = bytes;
                waiting = System.nanoTime();
            } else if (System.nanoTime() - waiting > PATIENCE.toNanos()) {
                throw new IOException("the process that converts the same weights has not got on for "
                        + PATIENCE.toMinutes() + " minutes");
            }
            try {
                Thread.sleep(POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted while another process converted weights");
            }
        }
    }

    private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null; // another thread of this process
        }
    }

    private static long temporaryBytes(Path folder) throws IOException {
        long bytes = 0;
        for (Path file : list(folder, "*")) {
            bytes += AtomicFile.isTemporary(file) ? file.toFile().length() : 0;
        }
        return bytes;
    }

    /** Removes what processes left in other folders that were killed while they wrote: theirs are not locked. */
    private void sweep() throws IOException {
        for (Path folder : list(root, "*")) {
            try {
                sweep(folder);
            } catch (IOException e) {
                LOG.debug("{} cannot be swept", folder, e);
            }
        }
    }

    private static void sweep(Path folder) throws IOException {
        Path lockFile = folder.resolve(LOCK);
        if (!Files.isRegularFile(lockFile) || list(folder, "*").stream().noneMatch(AtomicFile::isTemporary)) {
            return;
        }
        try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.WRITE);
                FileLock lock = tryLock(channel)) {
            if (lock != null) {
                removeTemporaries(folder);
            }
        }
    }

    private static void removeTemporaries(Path folder) throws IOException {
        for (Path file : list(folder, "*")) {
            if (AtomicFile.isTemporary(file)) {
                LOG.debug("removing {}, left by a process that was ended", file);
                Files.deleteIfExists(file);
            }
        }
    }

    /** Removes what was made from the same files when they had another content, unless it is in use where that matters. */
    private void removeSuperseded(Component component, Precision precision, Entry entry, String source)
            throws IOException {
        List<Path> others = list(root, folderPrefix(component, precision) + "*");
        others.remove(entry.folder());
        for (Path folder : others) {
            Path file = folder.resolve(WEIGHTS);
            try {
                if (Files.exists(file) && ConvertedFile.source(file).equals(source)) {
                    Files.delete(file);
                    Files.deleteIfExists(folder.resolve(LOCK));
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
                .map(tensor -> tensor.type().name())
                .distinct()
                .collect(Collectors.joining(", "));
    }

    private static String size(long bytes) {
        return bytes < 1_000_000_000
                ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
                : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
    }

    private static List<Path> list(Path folder, String pattern) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, pattern)) {
            stream.forEach(files::add);
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return files;
    }
}
