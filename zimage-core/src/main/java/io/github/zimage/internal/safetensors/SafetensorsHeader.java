package io.github.zimage.internal.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The table of contents of a safetensors file: 8 bytes with the length of a JSON object, the object, then the tensors'
 * bytes without holes or overlaps.
 */
public final class SafetensorsHeader {
    /** The longest header that the format allows. */
    static final long MAX_BYTES = 100_000_000;

    /** The most tensors in a checkpoint's files. */
    public static final int MAX_TENSORS = 50_000;

    private static final int MAX_RANK = 8;
    private static final int MAX_METADATA_ENTRIES = 10_000;
    /** Bounds the memory that names and metadata take. */
    private static final int MAX_CHARACTERS = 4_000_000;

    private static final int PREFIX_BYTES = 8;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(16)
                    .maxNumberLength(40)
                    .maxNameLength(10_000)
                    .maxStringLength(MAX_CHARACTERS)
                    .build())
            .build();

    private final Map<String, TensorEntry> tensors;
    private final Map<String, String> metadata;

    private SafetensorsHeader(Map<String, TensorEntry> tensors, Map<String, String> metadata) {
        this.tensors = Collections.unmodifiableMap(tensors);
        this.metadata = Collections.unmodifiableMap(metadata);
    }

    /** Returns the tensors by name, in the order of the header. */
    public Map<String, TensorEntry> tensors() {
        return tensors;
    }

    /** Returns the free-form texts that the file carries, in the order of the header. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /**
     * Reads and checks the header of a file; of the tensors nothing is read.
     *
     * @throws ModelLoadException if the file is missing, unreadable or anything but a sound safetensors file
     */
    public static SafetensorsHeader read(Path file) {
        long fileSize = ModelFile.size(file);
        String name = ModelFile.name(file);
        if (fileSize == 0) {
            throw new ModelLoadException(name + ": the file is empty");
        }
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            ByteBuffer start = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
            int read;
            do {
                read = channel.read(start);
            } while (read >= 0 && start.hasRemaining());
            start.flip();
            if (start.remaining() < PREFIX_BYTES) {
                throw new ModelLoadException(
                        name + ": a safetensors file has at least 8 bytes, but this has " + start.remaining());
            }
            long headerBytes = start.getLong(0);
            boolean object = start.remaining() > PREFIX_BYTES && start.get(PREFIX_BYTES) == '{';
            String disguise = object ? null : disguise(start);
            if (disguise != null) {
                throw new ModelLoadException(name + ": must be a safetensors file, but is " + disguise);
            }
            if (headerBytes <= 0 || headerBytes > MAX_BYTES) {
                throw new ModelLoadException(name + ": the header's length must be 1 to " + MAX_BYTES
                        + " bytes, but was " + Long.toUnsignedString(headerBytes));
            }
            if (headerBytes > fileSize - PREFIX_BYTES) {
                throw new ModelLoadException(name + ": the header must lie within the file, but takes " + headerBytes
                        + " bytes after the first 8 and the file has " + fileSize
                        + ": the file is cut off or damaged");
            }
            if (!object) {
                throw new ModelLoadException(name + ": the header must start with '{', but starts with byte "
                        + (start.get(PREFIX_BYTES) & 0xff) + ": not a safetensors file");
            }
            channel.position(PREFIX_BYTES);
            Parse parse = new Parse(file, name, PREFIX_BYTES + headerBytes, fileSize - PREFIX_BYTES - headerBytes);
            try (InputStream bytes = new Bounded(Channels.newInputStream(channel), headerBytes);
                    Reader text = new InputStreamReader(
                            bytes,
                            StandardCharsets.UTF_8
                                    .newDecoder()
                                    .onMalformedInput(CodingErrorAction.REPORT)
                                    .onUnmappableCharacter(CodingErrorAction.REPORT));
                    JsonParser parser = JSON.createParser(text)) {
                return parse.header(parser);
            }
        } catch (JsonProcessingException e) {
            throw new ModelLoadException(name + ": the header is not sound JSON: " + ModelFile.reason(e), e);
        } catch (CharacterCodingException e) {
            throw new ModelLoadException(name + ": the header must be UTF-8 text, but is not", e);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    private static @Nullable String disguise(ByteBuffer start) {
        byte[] bytes = new byte[start.remaining()];
        start.get(0, bytes);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        if (text.startsWith("PK\003\004")) {
            return "a zip file, probably a PyTorch checkpoint (.bin, .pt): convert it to safetensors";
        }
        if (bytes[0] == (byte) 0x80 && bytes[1] >= 2 && bytes[1] <= 5) {
            return "a Python pickle: convert it to safetensors";
        }
        if (text.startsWith("version https://git-lfs")) {
            return "a git-lfs pointer: fetch the file itself, for instance with `git lfs pull`";
        }
        if (text.startsWith("GGUF")) {
            return "a GGUF file, which is not supported";
        }
        if (text.stripLeading().startsWith("<")) {
            return "an HTML or XML page: download the file itself";
        }
        return null;
    }

    /** What one header is being parsed into. */
    private static final class Parse {
        private final Path file;
        private final String fileName;
        private final long dataOffset;
        private final long dataBytes;
        private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
        private final Map<String, String> metadata = new LinkedHashMap<>();
        private long characters;

        Parse(Path file, String fileName, long dataOffset, long dataBytes) {
            this.file = file;
            this.fileName = fileName;
            this.dataOffset = dataOffset;
            this.dataBytes = dataBytes;
        }

        SafetensorsHeader header(JsonParser parser) throws IOException {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                count(name);
                if (parser.nextToken() != JsonToken.START_OBJECT) {
                    throw wrong(name, "must be an object", shown(parser));
                }
                if (name.equals("__metadata__")) {
                    readMetadata(parser);
                } else {
                    if (tensors.size() == MAX_TENSORS) {
                        throw new ModelLoadException(fileName + ": more than " + MAX_TENSORS + " tensors");
                    }
                    tensors.put(name, tensor(name, parser));
                }
            }
            if (parser.nextToken() != null) {
                throw new ModelLoadException(fileName + ": the header must be one JSON object, but more follows it");
            }
            checkCoverage();
            return new SafetensorsHeader(tensors, metadata);
        }

        private void readMetadata(JsonParser parser) throws IOException {
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.currentName();
                if (parser.nextToken() != JsonToken.VALUE_STRING) {
                    throw wrong("__metadata__", ModelFile.quote(key) + " must be a text", shown(parser));
                }
                String value = parser.getText();
                count(key);
                count(value);
                if (metadata.size() == MAX_METADATA_ENTRIES) {
                    throw new ModelLoadException(
                            fileName + ": more than " + MAX_METADATA_ENTRIES + " entries of metadata");
                }
                metadata.put(key, value);
            }
        }

        private void count(String text) {
            characters += text.length();
            if (characters > MAX_CHARACTERS) {
                throw new ModelLoadException(
                        fileName + ": more than " + MAX_CHARACTERS + " characters of names and metadata");
            }
        }

        private TensorEntry tensor(String name, JsonParser parser) throws IOException {
            StorageType type = null;
            List<Long> shape = null;
            List<Long> offsets = null;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "dtype" -> {
                        if (!parser.hasToken(JsonToken.VALUE_STRING)) {
                            throw wrong(name, "dtype must be a text", shown(parser));
                        }
                        type = StorageType.named(parser.getText());
                        if (type == null) {
                            throw wrong(
                                    name,
                                    "dtype must be one of the format's (F32, BF16, …)",
                                    ModelFile.quote(parser.getText()));
                        }
                    }
                    case "shape" -> shape = integers(name, "shape", MAX_RANK, parser);
                    case "data_offsets" -> offsets = integers(name, "data_offsets", 2, parser);
                    default ->
                        throw wrong(name, "must have only dtype, shape and data_offsets", ModelFile.quote(field));
                }
            }
            if (type == null || shape == null || offsets == null) {
                String missing = type == null ? "dtype" : shape == null ? "shape" : "data_offsets";
                throw new ModelLoadException(
                        fileName + ": tensor " + ModelFile.quote(name) + " must have " + missing + ", but has none");
            }
            if (offsets.size() != 2 || offsets.get(0) > offsets.get(1) || offsets.get(1) > dataBytes) {
                String hint = offsets.size() == 2 && offsets.get(1) > dataBytes ? ": the file is cut off" : "";
                throw wrong(
                        name,
                        "data_offsets must be a begin and an end within the " + dataBytes + " bytes of data",
                        offsets + hint);
            }
            long size = offsets.get(1) - offsets.get(0);
            long expected = type.bytes();
            try {
                for (long length : shape) {
                    expected = Math.multiplyExact(expected, length);
                }
            } catch (ArithmeticException e) {
                throw wrong(name, "shape must multiply to less than 2^63 bytes", shape.toString());
            }
            if (size != expected) {
                throw wrong(name, type + " of shape " + shape + " must take " + expected + " bytes", "given " + size);
            }
            return new TensorEntry(name, type, shape, file, dataOffset + offsets.get(0), size);
        }

        private List<Long> integers(String name, String field, int most, JsonParser parser) throws IOException {
            if (!parser.hasToken(JsonToken.START_ARRAY)) {
                throw wrong(name, field + " must be a list", shown(parser));
            }
            List<Long> values = new ArrayList<>(4);
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                boolean fits = parser.hasToken(JsonToken.VALUE_NUMBER_INT)
                        && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER
                        && parser.getLongValue() >= 0;
                if (!fits) {
                    throw wrong(name, field + " must hold integers from 0 to 2^63 - 1", shown(parser));
                }
                if (values.size() == most) {
                    throw wrong(name, field + " must have at most " + most + " entries", "longer");
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
                default -> ModelFile.printable(parser.getText());
            };
        }
    }

    /** The first bytes of another stream. */
    private static final class Bounded extends InputStream {
        private final InputStream in;
        private long left;

        Bounded(InputStream in, long left) {
            this.in = in;
            this.left = left;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            if (left == 0) {
                return -1;
            }
            int count = in.read(target, offset, (int) Math.min(length, left));
            left -= Math.max(count, 0);
            return count;
        }
    }
}
