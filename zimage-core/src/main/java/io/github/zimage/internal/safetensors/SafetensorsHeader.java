package io.github.zimage.internal.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
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
import java.util.Collections;
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
    public static final int MAX_TENSORS = HeaderParser.MAX_TENSORS;

    private static final int PREFIX_BYTES = 8;

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

    /** Returns the free-form texts that the file carries, in the order of the header, but for very long ones, which are left out. */
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
            try (InputStream bytes = new Bounded(Channels.newInputStream(channel), headerBytes);
                    Reader text = new InputStreamReader(
                            bytes,
                            StandardCharsets.UTF_8
                                    .newDecoder()
                                    .onMalformedInput(CodingErrorAction.REPORT)
                                    .onUnmappableCharacter(CodingErrorAction.REPORT))) {
                HeaderParser parser =
                        new HeaderParser(file, PREFIX_BYTES + headerBytes, fileSize - PREFIX_BYTES - headerBytes);
                parser.read(text);
                return new SafetensorsHeader(parser.tensors(), parser.metadata());
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
