package io.github.zimage.internal.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import java.io.IOException;
import java.io.Reader;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What one header is parsed into. It accepts what the format's own reader accepts, within limits that bound the memory: of further fields
 * and of metadata nothing is kept that is not needed.
 */
final class HeaderParser {
    static final int MAX_TENSORS = 50_000;

    private static final int MAX_RANK = 64;
    /** What {@code shape} and {@code data_offsets} may hold is below it. */
    private static final BigInteger END_OF_LONG = BigInteger.ONE.shiftLeft(Long.SIZE - 1);

    private static final int MAX_NAME = 10_000;
    private static final int MAX_TEXT = 1_000_000;
    /** Bounds the memory that names take, and what is kept of metadata. */
    private static final int MAX_CHARACTERS = 4_000_000;

    private static final int MAX_METADATA_ENTRIES = 10_000;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(128)
                    .maxNumberLength(1000)
                    .maxNameLength(MAX_NAME)
                    .maxStringLength(2 * MAX_TEXT)
                    .build())
            .build();

    private final Path file;
    private final String fileName;
    private final long dataOffset;
    private final long dataBytes;
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private long nameCharacters;
    private long metadataCharacters;
    private boolean metadataRead;

    /**
     * Prepares for a header.
     *
     * @param dataOffset where the tensors' bytes begin in the file
     * @param dataBytes how many there are
     */
    HeaderParser(Path file, long dataOffset, long dataBytes) {
        this.file = file;
        this.fileName = ModelFile.name(file);
        this.dataOffset = dataOffset;
        this.dataBytes = dataBytes;
    }

    /** Reads the whole text. */
    void read(Reader text) throws IOException {
        try (JsonParser parser = JSON.createParser(new ShortenedStrings(text, MAX_TEXT))) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                readField(parser.currentName(), parser);
            }
            if (parser.nextToken() != null) {
                throw new ModelLoadException(fileName + ": the header must be one JSON object, but more follows it");
            }
        }
        checkCoverage();
    }

    /** Returns the tensors that were read. */
    Map<String, TensorEntry> tensors() {
        return tensors;
    }

    /** Returns what is kept of the metadata. */
    Map<String, String> metadata() {
        return metadata;
    }

    private void readField(String name, JsonParser parser) throws IOException {
        boolean isMetadata = name.equals("__metadata__");
        if (isMetadata ? metadataRead : tensors.containsKey(name)) {
            throw twice(name);
        }
        JsonToken value = parser.nextToken();
        if (isMetadata && value == JsonToken.VALUE_NULL) {
            metadataRead = true;
            return;
        }
        if (value != JsonToken.START_OBJECT) {
            throw wrong(name, "must be an object", shown(parser));
        }
        if (isMetadata) {
            metadataRead = true;
            readMetadata(parser);
            return;
        }
        if (tensors.size() == MAX_TENSORS) {
            throw new ModelLoadException(fileName + ": more than " + MAX_TENSORS + " tensors, which is zimage's limit");
        }
        nameCharacters += name.length();
        if (nameCharacters > MAX_CHARACTERS) {
            throw new ModelLoadException(
                    fileName + ": more than " + MAX_CHARACTERS + " characters of names, which is zimage's limit");
        }
        tensors.put(name, tensor(name, parser));
    }

    private void readMetadata(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw wrong("__metadata__", ModelFile.quote(key) + " must be a text", shown(parser));
            }
            String value = parser.getText();
            long characters = metadataCharacters + key.length() + value.length();
            boolean isWhole = value.isEmpty() || value.charAt(value.length() - 1) != ShortenedStrings.CUT;
            if (isWhole && characters <= MAX_CHARACTERS && metadata.size() < MAX_METADATA_ENTRIES) {
                metadataCharacters = characters;
                metadata.put(key, value);
            }
        }
    }

    private TensorEntry tensor(String name, JsonParser parser) throws IOException {
        StorageType type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        Set<String> read = new HashSet<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "dtype" -> type = type(name, parser);
                case "shape" -> shape = integers(name, "shape", MAX_RANK, parser);
                case "data_offsets" -> offsets = integers(name, "data_offsets", 2, parser);
                default -> {
                    parser.skipChildren();
                    continue;
                }
            }
            if (!read.add(field)) {
                throw twice(field);
            }
        }
        if (type == null || shape == null || offsets == null) {
            String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw new ModelLoadException(
                    fileName + ": tensor " + ModelFile.quote(name) + " must have " + missing + ", but has none");
        }
        return entry(name, type, shape, offsets);
    }

    private StorageType type(String name, JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.VALUE_STRING)) {
            throw wrong(name, "dtype must be a text", shown(parser));
        }
        StorageType type = StorageType.named(parser.getText());
        if (type == null) {
            throw wrong(name, "dtype must be one of the format's (F32, BF16, …)", ModelFile.quote(parser.getText()));
        }
        return type;
    }

    private TensorEntry entry(String name, StorageType type, List<Long> shape, List<Long> offsets) {
        if (offsets.size() != 2 || offsets.get(0) > offsets.get(1) || offsets.get(1) > dataBytes) {
            String hint = offsets.size() == 2 && offsets.get(1) > dataBytes ? ": the file is cut off" : "";
            throw wrong(
                    name,
                    "data_offsets must be a begin and an end within the " + dataBytes + " bytes of data",
                    offsets + hint);
        }
        long size = offsets.get(1) - offsets.get(0);
        long expected = bytes(name, type, shape);
        if (size != expected) {
            throw wrong(
                    name,
                    type + " of shape " + ModelFile.shown(shape) + " must take " + expected + " bytes",
                    "given " + size);
        }
        return new TensorEntry(name, type, shape, file, dataOffset + offsets.get(0), size);
    }

    private long bytes(String name, StorageType type, List<Long> shape) {
        try {
            return type.bytes(shape);
        } catch (ArithmeticException e) {
            throw wrong(name, "shape must multiply to less than 2^63 bytes", ModelFile.shown(shape));
        } catch (IllegalArgumentException e) {
            throw wrong(name, String.valueOf(e.getMessage()), ModelFile.shown(shape));
        }
    }

    private List<Long> integers(String name, String field, int most, JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.START_ARRAY)) {
            throw wrong(name, field + " must be a list", shown(parser));
        }
        List<Long> values = new ArrayList<>(4);
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (!parser.hasToken(JsonToken.VALUE_NUMBER_INT)
                    || parser.getBigIntegerValue().signum() < 0
                    || parser.getBigIntegerValue().compareTo(END_OF_LONG) >= 0) {
                throw wrong(name, field + " must hold integers from 0 to 2^63 - 1", shown(parser));
            }
            if (values.size() == most) {
                String rule = field.equals("shape")
                        ? "shape must have at most %d dimensions, which is zimage's limit".formatted(most)
                        : "%s must have %d entries".formatted(field, most);
                throw wrong(name, rule, "longer");
            }
            values.add(parser.getLongValue());
        }
        return values;
    }

    private void checkCoverage() {
        List<TensorEntry> byOffset = new ArrayList<>(tensors.values());
        byOffset.sort(Comparator.comparingLong(TensorEntry::offset).thenComparingLong(TensorEntry::byteSize));
        long position = dataOffset;
        for (TensorEntry tensor : byOffset) {
            if (tensor.offset() != position) {
                throw wrong(
                        tensor.name(),
                        "must start where the tensor before it ends, at " + (position - dataOffset),
                        "at " + (tensor.offset() - dataOffset)
                                + (tensor.offset() < position ? ", which overlaps it" : ", which leaves a hole"));
            }
            position += tensor.byteSize();
        }
        if (position != dataOffset + dataBytes) {
            throw new ModelLoadException(fileName + ": the tensors must fill the " + dataBytes
                    + " bytes of data, but take " + (position - dataOffset));
        }
    }

    private ModelLoadException twice(String name) {
        return new ModelLoadException(
                fileName + ": the header is not sound JSON: Duplicate field '" + ModelFile.shown(name) + "'");
    }

    private ModelLoadException wrong(String tensor, String rule, String value) {
        return new ModelLoadException(
                fileName + ": tensor " + ModelFile.quote(tensor) + ": " + rule + ", but was " + value);
    }

    private static String shown(JsonParser parser) throws IOException {
        JsonToken token = parser.currentToken();
        if (token == null) {
            return "cut off";
        }
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "a list";
            case VALUE_STRING -> "a text";
            default -> ModelFile.shown(parser.getText());
        };
    }
}
