package io.github.zimage.internal.conversion;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongConsumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file with a component's weights in the engine's layout. It says which weights it was made from, and ends with a
 * tensor of the checksums of all others, in their order.
 */
final class ConvertedFile {
    private static final String KEY = "zimage.key";
    private static final String SOURCE = "zimage.source";
    private static final String CHECKSUMS = "zimage.crc32c";
    /** Tensors up to this size are compared with their checksums whenever a file is opened. */
    private static final long SMALL_BYTES = 16 << 10;

    /** So much is read at once beside those who compute. */
    private static final int CHECKED_BYTES = 4 << 20;

    private ConvertedFile() {}

    private static List<SafetensorsWriter.Tensor> withChecksums(List<SafetensorsWriter.Tensor> layout) {
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>(layout);
        tensors.add(new SafetensorsWriter.Tensor(CHECKSUMS, StorageType.U32, List.of((long) layout.size())));
        return tensors;
    }

    /** Returns how large a file is, but for its header. */
    static long dataBytes(List<SafetensorsWriter.Tensor> layout) {
        return withChecksums(layout).stream()
                .mapToLong(SafetensorsWriter.Tensor::byteSize)
                .sum();
    }

    /**
     * Converts weights in one pass: one piece is converted and written while the next is read.
     *
     * @param target where the file appears, once it is whole
     * @param layout what to write: weights of the source, and padding
     * @param source what it is made from, in the words of {@link WeightCache}
     * @param unchanged asked before the file appears; throws if the source has changed meanwhile
     * @param progress hears how many bytes of the source are done
     */
    static void write(
            Path target,
            List<SafetensorsWriter.Tensor> layout,
            WeightIndex weights,
            String key,
            String source,
            Check unchanged,
            LongConsumer progress)
            throws IOException {
        List<TensorEntry> entries = layout.stream()
                .filter(tensor -> !EngineLayout.isPadding(tensor.name()) && !RowRounding.isScales(tensor.name()))
                .map(tensor -> weights.get(tensor.name()))
                .toList();
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put("format", "pt");
        metadata.put(KEY, key);
        metadata.put(SOURCE, source);
        ByteBuffer checksums = littleEndian(layout.size() * Integer.BYTES);
        ByteBuffer converted = littleEndian(2 * PieceReader.PIECE_BYTES);
        NumberConversion conversion = new NumberConversion();
        CRC32C checksum = new CRC32C();
        long done = 0;
        try (SafetensorsWriter writer = SafetensorsWriter.ofPrivateFile(target, withChecksums(layout), metadata);
                PieceReader pieces = new PieceReader(entries)) {
            ByteBuffer scales = littleEndian(0);
            for (SafetensorsWriter.Tensor tensor : layout) {
                checksum.reset();
                RowRounding rounding = null;
                if (tensor.type() == StorageType.I8) {
                    rounding = rounding(weights.get(tensor.name()));
                    scales = littleEndian(Math.toIntExact(tensor.shape().get(0) * Float.BYTES));
                }
                for (long left = tensor.byteSize(); left > 0; ) {
                    converted.clear();
                    if (EngineLayout.isPadding(tensor.name())) {
                        converted.put(new byte[(int) left]);
                    } else if (RowRounding.isScales(tensor.name())) {
                        converted.put(scales.flip());
                    } else {
                        ByteBuffer piece = pieces.next();
                        done += piece.remaining();
                        StorageType from = weights.get(tensor.name()).type();
                        if (rounding == null) {
                            conversion.convert(piece, from, converted, tensor.type());
                        } else {
                            rounding.round(piece, from, converted, scales);
                        }
                    }
                    converted.flip();
                    left -= converted.remaining();
                    checksum.update(converted.duplicate());
                    writer.write(converted);
                    progress.accept(done);
                }
                checksums.putInt((int) checksum.getValue());
            }
            writer.write(checksums.flip());
            unchanged.run();
            writer.commit();
        }
    }

    /** Returns what makes a matrix of 8-bit integers, whose scales come right behind it, of another. */
    private static RowRounding rounding(TensorEntry matrix) throws IOException {
        long columns = matrix.shape().get(1);
        if (columns * matrix.type().bytes() > PieceReader.PIECE_BYTES) {
            throw new IOException("the rows of " + ModelFile.quote(matrix.name()) + " are too long: " + columns);
        }
        return new RowRounding((int) columns, BlockWeights.endsFeedForward(matrix.name()));
    }

    /** A check that reads files. */
    interface Check {
        void run() throws IOException;
    }

    /**
     * Opens a file. Its header must be exactly what was meant to be written, its size must fit, and its small tensors must have their
     * checksums.
     *
     * @param thorough whether large tensors must have their checksums, too: all of the file is read
     * @param progress hears how many bytes are checked
     * @return the weights in the order of the layout
     * @throws ModelLoadException if it is damaged, or not what it should be
     * @throws IOException if it cannot be read
     */
    static Map<String, TensorEntry> open(
            Path file, List<SafetensorsWriter.Tensor> layout, String key, boolean thorough, LongConsumer progress)
            throws IOException {
        SafetensorsHeader header = SafetensorsHeader.read(file);
        List<SafetensorsWriter.Tensor> found = header.tensors().values().stream()
                .map(entry -> new SafetensorsWriter.Tensor(entry.name(), entry.type(), entry.shape()))
                .toList();
        Map<String, TensorEntry> tensors = new LinkedHashMap<>(header.tensors());
        tensors.keySet().removeIf(EngineLayout::isPadding);
        boolean aligned =
                tensors.values().stream().allMatch(entry -> entry.offset() % SafetensorsWriter.ALIGNMENT == 0);
        if (!key.equals(header.metadata().get(KEY)) || !found.equals(withChecksums(layout)) || !aligned) {
            throw new ModelLoadException(ModelFile.name(file) + ": does not hold what was written");
        }
        List<TensorEntry> entries = new ArrayList<>(header.tensors().values());
        TensorEntry stored = entries.remove(entries.size() - 1);
        ByteBuffer checksums = littleEndian((int) stored.byteSize());
        try (TensorFiles files = new TensorFiles()) {
            files.read(stored, 0, checksums);
        }
        checksums.flip();
        List<TensorEntry> checked = entries.stream()
                .filter(entry -> thorough || entry.byteSize() <= SMALL_BYTES)
                .toList();
        Set<TensorEntry> toCheck = new HashSet<>(checked);
        try (PieceReader pieces = new PieceReader(checked)) {
            CRC32C checksum = new CRC32C();
            long done = 0;
            for (TensorEntry entry : entries) {
                int expected = checksums.getInt();
                if (!toCheck.contains(entry)) {
                    continue;
                }
                checksum.reset();
                for (long left = entry.byteSize(); left > 0; ) {
                    ByteBuffer piece = pieces.next();
                    left -= piece.remaining();
                    done += piece.remaining();
                    checksum.update(piece);
                    progress.accept(done);
                }
                if ((int) checksum.getValue() != expected) {
                    throw new ModelLoadException(ModelFile.name(file) + ": tensor " + ModelFile.quote(entry.name())
                            + " does not have its checksum");
                }
            }
        }
        tensors.remove(CHECKSUMS);
        return tensors;
    }

    /** Hears how long a piece of work took. */
    interface Pace {
        void worked(long nanos) throws IOException;
    }

    /**
     * Compares the tensors of a file that is in use with their checksums, beginning with any of them, so that many that end early have seen all.
     *
     * @param pace hears of each piece that was read
     * @return the first that does not have its own; null if all do
     * @throws IOException if the file cannot be read or has been replaced meanwhile, or what {@code pace} throws
     * @throws ModelLoadException if it is no such file any more
     */
    static @Nullable String firstDamaged(Path file, Pace pace) throws IOException {
        Object identity = identity(file);
        List<TensorEntry> entries =
                new ArrayList<>(SafetensorsHeader.read(file).tensors().values());
        TensorEntry stored = entries.remove(entries.size() - 1);
        ByteBuffer checksums = littleEndian((int) stored.byteSize());
        ByteBuffer buffer = littleEndian(CHECKED_BYTES);
        try (TensorFiles files = new TensorFiles()) {
            files.read(stored, 0, checksums);
            int first = ThreadLocalRandom.current().nextInt(entries.size());
            for (int i = 0; i < entries.size(); i++) {
                int number = (first + i) % entries.size();
                TensorEntry entry = entries.get(number);
                boolean sound = checksum(files, entry, buffer, pace) == checksums.getInt(number * Integer.BYTES);
                if (!sound && !Objects.equals(identity, identity(file))) {
                    throw new IOException("it was replaced");
                }
                if (!sound) {
                    return entry.name();
                }
            }
        }
        return null;
    }

    private static int checksum(TensorFiles files, TensorEntry entry, ByteBuffer buffer, Pace pace) throws IOException {
        CRC32C checksum = new CRC32C();
        for (long done = 0; done < entry.byteSize(); done += buffer.limit()) {
            long start = System.nanoTime();
            buffer.clear().limit((int) Math.min(CHECKED_BYTES, entry.byteSize() - done));
            files.read(entry, done, buffer);
            checksum.update(buffer.flip());
            pace.worked(System.nanoTime() - start);
        }
        return (int) checksum.getValue();
    }

    private static @Nullable Object identity(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        return List.of(attributes.size(), attributes.lastModifiedTime(), String.valueOf(attributes.fileKey()));
    }

    /**
     * Changes what a file says it was made from, so that it is nobody's any more and is made anew. Whoever has it mapped sees that it was written to.
     *
     * @throws IOException if it cannot be written to, or says nothing
     */
    static void markDamaged(Path file) throws IOException {
        byte[] name = ("\"" + KEY + "\":\"").getBytes(StandardCharsets.UTF_8);
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
            ByteBuffer start = ByteBuffer.allocate((int) Math.min(channel.size(), CHECKED_BYTES));
            channel.read(start, 0);
            int at = new String(start.array(), 0, start.position(), StandardCharsets.ISO_8859_1)
                    .indexOf(new String(name, StandardCharsets.ISO_8859_1));
            if (at < 0) {
                throw new IOException("it does not say what it was made from");
            }
            channel.write(ByteBuffer.wrap(new byte[] {'!'}), at + name.length);
            channel.force(true);
        }
    }

    /** Returns what a file says it was made from, or an empty text. */
    static String source(Path file) {
        return SafetensorsHeader.read(file).metadata().getOrDefault(SOURCE, "");
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
