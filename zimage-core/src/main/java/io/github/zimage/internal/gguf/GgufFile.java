package io.github.zimage.internal.gguf;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.quantized.BlockType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the header of a GGUF file says: its tensors, and short values of its metadata. Files of versions 2 and 3 are read; of a model that
 * is divided among several all are, whichever is named.
 */
public final class GgufFile {
    private static final int MAGIC = 0x46554747;
    private static final int MOST_TENSORS = 50_000;
    private static final int MOST_VALUES = 10_000;
    private static final int MOST_NAME = 65_535;
    private static final int MOST_DIMENSIONS = 4;
    private static final int MOST_FILES = 1000;
    private static final long MOST_COLUMNS = 1 << 24;
    private static final long DEFAULT_ALIGNMENT = 32;
    private static final long MOST_ALIGNMENT = 1 << 20;
    private static final String SHAPE = "comfy.gguf.orig_shape.";

    private static final Pattern PART = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf", Pattern.CASE_INSENSITIVE);

    private static final Map<Integer, StorageType> PLAIN = Map.of(
            0, StorageType.F32,
            1, StorageType.F16,
            24, StorageType.I8,
            25, StorageType.I16,
            26, StorageType.I32,
            27, StorageType.I64,
            28, StorageType.F64,
            30, StorageType.BF16);
    private static final Map<Integer, String> UNREAD = Map.ofEntries(
            Map.entry(9, "Q8_1"),
            Map.entry(15, "Q8_K"),
            Map.entry(16, "IQ2_XXS"),
            Map.entry(17, "IQ2_XS"),
            Map.entry(18, "IQ3_XXS"),
            Map.entry(19, "IQ1_S"),
            Map.entry(21, "IQ3_S"),
            Map.entry(22, "IQ2_S"),
            Map.entry(29, "IQ1_M"),
            Map.entry(34, "TQ1_0"),
            Map.entry(35, "TQ2_0"),
            Map.entry(39, "MXFP4"),
            Map.entry(40, "NVFP4"),
            Map.entry(41, "Q1_0"));

    private final Path file;
    private final String name;
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private GgufFile(Path file) {
        this.file = file;
        this.name = ModelFile.name(file);
    }

    /** Returns the tensors by name, in the order of the header, with dimensions as in other files: that of a row's numbers last. */
    public Map<String, TensorEntry> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /** Returns the metadata: numbers, texts and short lists, as texts; what is longer is empty. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** Returns whether a file begins as GGUF files do. */
    public static boolean isOne(Path file) {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try (GgufInput in = new GgufInput(file)) {
            return in.size() >= Integer.BYTES && in.int32() == MAGIC;
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    /**
     * Reads the header of a file, and those of the others if it is one of several.
     *
     * @throws ModelLoadException if one is missing, unreadable, or anything but a sound GGUF file
     */
    public static GgufFile read(Path file) {
        GgufFile whole = new GgufFile(file);
        whole.read();
        String parts = whole.metadata.getOrDefault("split.count", "0");
        if (parts.equals("0") || parts.equals("1")) {
            return whole;
        }
        return joined(whole, parts);
    }

    private static GgufFile joined(GgufFile given, String parts) {
        Matcher named = PART.matcher(String.valueOf(given.file.getFileName()));
        int count = named.matches() ? Integer.parseInt(named.group(3)) : 0;
        if (!parts.equals(String.valueOf(count)) || count > MOST_FILES) {
            throw new ModelLoadException(
                    "%s: is one of %s files, which must be named …-00001-of-%s.gguf and lie side by side"
                            .formatted(given.name, ModelFile.shown(parts), ModelFile.shown(parts)));
        }
        GgufFile all = new GgufFile(given.file);
        for (int i = 1; i <= count; i++) {
            Path path = given.file.resolveSibling(
                    String.format(Locale.ROOT, "%s-%05d-of-%05d.gguf", named.group(1), i, count));
            GgufFile part = new GgufFile(path);
            part.read();
            String number = part.metadata.getOrDefault("split.no", "");
            if (!number.equals(String.valueOf(i - 1)) || !parts.equals(part.metadata.get("split.count"))) {
                throw new ModelLoadException(
                        "%s: must be file %d of %d by its split.no, but is not".formatted(part.name, i, count));
            }
            part.metadata.forEach(all.metadata::putIfAbsent);
            part.tensors.forEach((name, tensor) -> {
                if (all.tensors.put(name, tensor) != null) {
                    throw part.wrong(name, "is in another of the files, too");
                }
            });
        }
        return all;
    }

    private void read() {
        try (GgufInput in = new GgufInput(file)) {
            read(in);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    private void read(GgufInput in) throws IOException {
        if (in.size() < Integer.BYTES || in.int32() != MAGIC) {
            throw new ModelLoadException(name + ": must be a GGUF file, but does not begin with GGUF");
        }
        int version = in.int32();
        if (version != 2 && version != 3) {
            boolean turned = Integer.reverseBytes(version) >= 1 && Integer.reverseBytes(version) <= 3;
            throw new ModelLoadException(name
                    + (turned
                            ? ": is a big-endian GGUF file, which is not read: convert it for little-endian machines"
                            : ": must be of GGUF version 2 or 3, but is of " + Integer.toUnsignedString(version)));
        }
        long tensorCount = in.count(in.int64(), "the number of tensors", MOST_TENSORS);
        long valueCount = in.count(in.int64(), "the number of metadata values", MOST_VALUES);
        GgufValues values = new GgufValues(name, in);
        for (long i = 0; i < valueCount; i++) {
            String key = text(in, "a key");
            if (metadata.put(key, values.read(ModelFile.quote(key), in.int32())) != null) {
                throw new ModelLoadException(name + ": " + ModelFile.quote(key) + " is there twice");
            }
        }
        List<Header> headers = new ArrayList<>();
        for (long i = 0; i < tensorCount; i++) {
            headers.add(header(in));
        }
        long alignment = alignment();
        long dataStart = (in.position() + alignment - 1) / alignment * alignment;
        headers.forEach(header -> put(header, dataStart, alignment, in.size()));
        requireApart(headers);
    }

    private String text(GgufInput in, String what) throws IOException {
        return in.text((int) in.count(in.int64(), "the length of " + what, MOST_NAME));
    }

    /**
     * What the header says of a tensor.
     *
     * @param shape that of a row's numbers last
     */
    private record Header(String name, List<Long> shape, int type, long offset) {
        long elements() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }

        /** Returns how many bytes the tensor takes. */
        long bytes() {
            BlockType block = BlockType.of(type);
            return block == null
                    ? PLAIN.getOrDefault(type, StorageType.F32).bytes(shape)
                    : Math.multiplyExact(elements() / block.numbers(), (long) block.bytes());
        }
    }

    private Header header(GgufInput in) throws IOException {
        String tensor = text(in, "a tensor's name");
        long dimensions = in.count(
                Integer.toUnsignedLong(in.int32()), "the dimensions of " + ModelFile.quote(tensor), MOST_DIMENSIONS);
        List<Long> shape = new ArrayList<>();
        for (int i = 0; i < dimensions; i++) {
            shape.add(0, in.count(in.int64(), "a dimension of " + ModelFile.quote(tensor), Integer.MAX_VALUE));
        }
        int type = in.int32();
        Header header = new Header(tensor, List.copyOf(shape), type, in.int64());
        BlockType block = BlockType.of(type);
        if (block == null && !PLAIN.containsKey(type)) {
            throw wrong(
                    tensor,
                    "is stored as " + UNREAD.getOrDefault(type, "type " + Integer.toUnsignedString(type))
                            + ", which is not read; "
                            + Stream.of(BlockType.values()).map(BlockType::name).collect(Collectors.joining(", "))
                            + ", F32, F16 and BF16 are");
        }
        if (block != null
                && (shape.isEmpty() || shape.contains(0L) || shape.get(shape.size() - 1) % block.numbers() != 0)) {
            throw wrong(
                    tensor,
                    "must have rows of a multiple of " + block.numbers() + " to be stored as " + block + ", but is of "
                            + shape);
        }
        if (block != null && shape.get(shape.size() - 1) > MOST_COLUMNS) {
            throw wrong(tensor, "must have rows of at most " + MOST_COLUMNS + " numbers, but is of " + shape);
        }
        return header;
    }

    private long alignment() {
        String text = metadata.getOrDefault("general.alignment", String.valueOf(DEFAULT_ALIGNMENT));
        try {
            long alignment = Long.parseLong(text);
            if (alignment >= 8 && alignment <= MOST_ALIGNMENT && Long.bitCount(alignment) == 1) {
                return alignment;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new ModelLoadException("%s: general.alignment must be a power of 2 from 8 to %d, but is %s"
                .formatted(name, MOST_ALIGNMENT, ModelFile.shown(text)));
    }

    private void put(Header header, long dataStart, long alignment, long size) {
        long bytes;
        try {
            bytes = header.bytes();
        } catch (ArithmeticException e) {
            throw wrong(header.name(), "must have less than 2^63 bytes, but is of " + header.shape());
        }
        long room = Math.max(0, size - dataStart);
        if (header.offset() < 0 || header.offset() % alignment != 0) {
            throw wrong(
                    header.name(),
                    "must begin at a multiple of " + alignment + ", but begins at "
                            + Long.toUnsignedString(header.offset()));
        }
        if (header.offset() > room || bytes > room - header.offset()) {
            throw wrong(
                    header.name(),
                    "must lie within the " + room + " bytes of data, but takes " + bytes + " from " + header.offset()
                            + " on: the file is cut off or damaged");
        }
        TensorEntry entry = entry(header, dataStart + header.offset(), bytes);
        if (tensors.put(header.name(), entry) != null) {
            throw wrong(header.name(), "is there twice");
        }
    }

    private TensorEntry entry(Header header, long offset, long bytes) {
        BlockType block = BlockType.of(header.type());
        TensorEntry entry;
        if (block == null) {
            entry = new TensorEntry(
                    header.name(),
                    PLAIN.getOrDefault(header.type(), StorageType.F32),
                    header.shape(),
                    file,
                    offset,
                    bytes);
        } else {
            entry = block.decoded(
                    new TensorEntry(header.name(), StorageType.U8, List.of(bytes), file, offset, bytes),
                    header.shape());
        }
        String original = metadata.get(SHAPE + header.name());
        return original == null ? entry : reshaped(entry, original);
    }

    /** What was reshaped to have rows of whole blocks says its own shape. */
    private static TensorEntry reshaped(TensorEntry entry, String shape) {
        try {
            List<Long> own = Stream.of(shape.split(", ", -1)).map(Long::valueOf).toList();
            boolean fits = own.stream().noneMatch(size -> size < 0)
                    && own.stream().reduce(1L, Math::multiplyExact) == entry.elements();
            return fits ? entry.withShape(own) : entry;
        } catch (NumberFormatException | ArithmeticException e) {
            return entry;
        }
    }

    private void requireApart(List<Header> headers) {
        List<Header> byOffset = new ArrayList<>(headers);
        byOffset.sort(Comparator.comparingLong(Header::offset).thenComparingLong(Header::bytes));
        long end = 0;
        for (Header header : byOffset) {
            if (header.offset() < end) {
                throw wrong(
                        header.name(),
                        "must begin where the tensor before it ends, at " + end + ", but begins at " + header.offset()
                                + ", which overlaps it");
            }
            end = header.offset() + header.bytes();
        }
    }

    private ModelLoadException wrong(String tensor, String problem) {
        return new ModelLoadException(name + ": tensor " + ModelFile.quote(tensor) + " " + problem);
    }
}
