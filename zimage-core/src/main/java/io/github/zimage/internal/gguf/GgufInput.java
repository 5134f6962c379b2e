package io.github.zimage.internal.gguf;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The bytes of a GGUF file from its beginning on, little endian. Whatever lies beyond its end is refused before it is asked for. */
final class GgufInput implements Closeable {
    private static final int BUFFER_BYTES = 1 << 16;

    private final String name;
    private final long size;
    private final SeekableByteChannel channel;
    private final ByteBuffer buffer =
            ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN).limit(0);
    /** Where in the file the buffer ends. */
    private long bufferEnd;

    GgufInput(Path file) throws IOException {
        name = ModelFile.name(file);
        size = ModelFile.size(file);
        channel = Files.newByteChannel(file);
    }

    /** Returns where the next byte lies. */
    long position() {
        return bufferEnd - buffer.remaining();
    }

    /** Returns the size of the file. */
    long size() {
        return size;
    }

    private ByteBuffer bytes(int count) throws IOException {
        if (count > size - position()) {
            throw new ModelLoadException(
                    "%s: the header must lie within the file, but goes on behind its %d bytes: the file is cut off or damaged"
                            .formatted(name, size));
        }
        if (buffer.remaining() < count) {
            buffer.compact();
            while (buffer.position() < count) {
                int read = channel.read(buffer);
                if (read < 0) {
                    throw new ModelLoadException(name + ": the file was cut off while it was read");
                }
                bufferEnd += read;
            }
            buffer.flip();
        }
        return buffer;
    }

    int int8() throws IOException {
        return bytes(Byte.BYTES).get();
    }

    int int16() throws IOException {
        return bytes(Short.BYTES).getShort();
    }

    int int32() throws IOException {
        return bytes(Integer.BYTES).getInt();
    }

    long int64() throws IOException {
        return bytes(Long.BYTES).getLong();
    }

    /** Returns a number that is not negative and at most so large. */
    long count(long value, String what, long most) {
        if (value < 0 || value > most) {
            throw new ModelLoadException("%s: %s must be 0 to %d, but is %s: the file is damaged"
                    .formatted(name, what, most, Long.toUnsignedString(value)));
        }
        return value;
    }

    /** Returns the length of what follows, which lies within the file. */
    long length(String what) throws IOException {
        return count(int64(), "the length of " + what, size);
    }

    /** Returns a text of at most 65,536 bytes. */
    String text(int length) throws IOException {
        byte[] text = new byte[length];
        bytes(length).get(text);
        return new String(text, StandardCharsets.UTF_8);
    }

    /** Goes on behind some bytes. */
    void skip(long count) throws IOException {
        if (count < 0 || count > size - position()) {
            bytes(Integer.MAX_VALUE);
        }
        if (count <= buffer.remaining()) {
            buffer.position(buffer.position() + (int) count);
        } else {
            bufferEnd = position() + count;
            channel.position(bufferEnd);
            buffer.limit(0);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
