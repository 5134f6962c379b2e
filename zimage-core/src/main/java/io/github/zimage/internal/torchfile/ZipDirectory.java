package io.github.zimage.internal.torchfile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** The entries of a zip file whose bytes lie there as they are. What is compressed or encrypted is refused. */
final class ZipDirectory {
    private static final int END_SIGNATURE = 0x06054b50;
    private static final int END_BYTES = 22;
    private static final int END64_SIGNATURE = 0x06064b50;
    private static final int END64_BYTES = 56;
    private static final int LOCATOR64_SIGNATURE = 0x07064b50;
    private static final int LOCATOR64_BYTES = 20;
    private static final int CENTRAL_SIGNATURE = 0x02014b50;
    private static final int CENTRAL_BYTES = 46;
    private static final int LOCAL_SIGNATURE = 0x04034b50;
    private static final int LOCAL_BYTES = 30;
    private static final int MOST_COMMENT = 0xffff;
    private static final int MOST_DIRECTORY = 16 << 20;
    private static final int MOST_ENTRIES = 100_000;
    private static final long IN_EXTRA = 0xffffffffL;
    private static final int EXTRA64 = 1;

    private final Path file;
    private final SeekableByteChannel channel;
    private final long fileSize;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /**
     * An entry.
     *
     * @param offset where in the file its first byte lies
     * @param size how many it has
     */
    record Entry(long offset, long size) {}

    private record End(long offset, long bytes, long entries) {}

    private ZipDirectory(Path file, SeekableByteChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        fileSize = channel.size();
    }

    /**
     * Reads the directory of a zip file.
     *
     * @throws ModelLoadException if it is damaged, or more than 16 MiB large, or an entry is not stored as it is
     */
    static Map<String, Entry> read(Path file, SeekableByteChannel channel) throws IOException {
        ZipDirectory directory = new ZipDirectory(file, channel);
        directory.readEntries(directory.end());
        return directory.entries;
    }

    private End end() throws IOException {
        int most = (int) Math.min(fileSize, END_BYTES + MOST_COMMENT);
        ByteBuffer tail = bytes(fileSize - most, most);
        for (int at = most - END_BYTES; at >= 0; at--) {
            if (tail.getInt(at) == END_SIGNATURE
                    && Short.toUnsignedInt(tail.getShort(at + 20)) == most - END_BYTES - at) {
                End plain = new End(
                        Integer.toUnsignedLong(tail.getInt(at + 16)),
                        Integer.toUnsignedLong(tail.getInt(at + 12)),
                        Short.toUnsignedLong(tail.getShort(at + 10)));
                return end64(fileSize - most + at, plain);
            }
        }
        throw damaged("its directory is missing, as it is where a download was cut short");
    }

    /** PyTorch writes the large form of the directory's end for small files, too. */
    private End end64(long endOffset, End plain) throws IOException {
        long locator = endOffset - LOCATOR64_BYTES;
        if (locator < 0 || bytes(locator, LOCATOR64_BYTES).getInt(0) != LOCATOR64_SIGNATURE) {
            return plain;
        }
        ByteBuffer end = bytes(bytes(locator, LOCATOR64_BYTES).getLong(8), END64_BYTES);
        if (end.getInt(0) != END64_SIGNATURE) {
            throw damaged("the end of its directory is not where it is said to be");
        }
        return new End(end.getLong(48), end.getLong(40), end.getLong(32));
    }

    private void readEntries(End end) throws IOException {
        if (end.bytes() < 0 || end.bytes() > MOST_DIRECTORY || end.entries() < 0 || end.entries() > MOST_ENTRIES) {
            throw damaged("its directory may have %d entries and %d bytes, but is said to have %d and %d"
                    .formatted(MOST_ENTRIES, MOST_DIRECTORY, end.entries(), end.bytes()));
        }
        ByteBuffer directory = bytes(end.offset(), (int) end.bytes());
        for (long i = 0; i < end.entries(); i++) {
            if (directory.remaining() < CENTRAL_BYTES || directory.getInt(directory.position()) != CENTRAL_SIGNATURE) {
                throw damaged("entry %d of its directory is missing".formatted(i));
            }
            readEntry(directory);
        }
    }

    private void readEntry(ByteBuffer directory) throws IOException {
        int at = directory.position();
        int flags = directory.getShort(at + 8);
        int method = Short.toUnsignedInt(directory.getShort(at + 10));
        int nameBytes = Short.toUnsignedInt(directory.getShort(at + 28));
        int extraBytes = Short.toUnsignedInt(directory.getShort(at + 30));
        int commentBytes = Short.toUnsignedInt(directory.getShort(at + 32));
        if (directory.remaining() < CENTRAL_BYTES + nameBytes + extraBytes + commentBytes) {
            throw damaged("its directory is cut short");
        }
        byte[] name = new byte[nameBytes];
        directory.get(at + CENTRAL_BYTES, name);
        String text = new String(name, StandardCharsets.UTF_8);
        if (method != 0 || (flags & 1) != 0) {
            throw damaged("entry %s must be stored as it is, but is %s: write the file anew with torch.save"
                    .formatted(ModelFile.quote(text), method != 0 ? "compressed" : "encrypted"));
        }
        long[] sizes = {
            Integer.toUnsignedLong(directory.getInt(at + 24)), // size
            Integer.toUnsignedLong(directory.getInt(at + 20)), // as it lies there
            Integer.toUnsignedLong(directory.getInt(at + 42)), // offset
        };
        readExtra(directory.slice(at + CENTRAL_BYTES + nameBytes, extraBytes).order(ByteOrder.LITTLE_ENDIAN), sizes);
        if (sizes[0] != sizes[1]) {
            throw damaged("entry %s has two sizes".formatted(ModelFile.quote(text)));
        }
        if (entries.put(text, new Entry(data(text, sizes[2], sizes[0]), sizes[0])) != null) {
            throw damaged("entry %s is there twice".formatted(ModelFile.quote(text)));
        }
        directory.position(at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes);
    }

    /** Numbers that do not fit into 32 bits follow in the entry's further fields, in this order. */
    private static void readExtra(ByteBuffer extra, long[] numbers) {
        while (extra.remaining() >= 4) {
            int id = Short.toUnsignedInt(extra.getShort());
            int bytes = Math.min(Short.toUnsignedInt(extra.getShort()), extra.remaining());
            ByteBuffer field = extra.slice(extra.position(), bytes).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; id == EXTRA64 && i < numbers.length; i++) {
                if (numbers[i] == IN_EXTRA && field.remaining() >= Long.BYTES) {
                    numbers[i] = field.getLong();
                }
            }
            extra.position(extra.position() + bytes);
        }
    }

    private long data(String name, long local, long size) throws IOException {
        ByteBuffer header = bytes(local, LOCAL_BYTES);
        if (header.getInt(0) != LOCAL_SIGNATURE) {
            throw damaged("entry %s is not where its directory says".formatted(ModelFile.quote(name)));
        }
        long data = local
                + LOCAL_BYTES
                + Short.toUnsignedInt(header.getShort(26))
                + Short.toUnsignedInt(header.getShort(28));
        if (size < 0 || data > fileSize - size) {
            throw damaged("entry %s is cut short".formatted(ModelFile.quote(name)));
        }
        return data;
    }

    private ByteBuffer bytes(long offset, int count) throws IOException {
        if (offset < 0 || offset > fileSize - count) {
            throw damaged("it is cut short, or its directory is wrong");
        }
        return read(channel, offset, count);
    }

    /** Reads bytes, little endian. */
    static ByteBuffer read(SeekableByteChannel channel, long offset, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        channel.position(offset);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new EOFException("the file ends early");
            }
        }
        return bytes.flip();
    }

    private ModelLoadException damaged(String reason) {
        return new ModelLoadException(ModelFile.name(file) + ": is no sound PyTorch file: " + reason);
    }
}
