package io.github.zimage.internal.image;

import io.github.zimage.ZImageException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Reads the text chunks of a PNG file without decoding its pixels.
 *
 * <p>The file may come from anywhere: nothing is allocated on the word of a length field, and what a text may unpack to is
 * limited.
 */
public final class PngText {
    /** The longest text that is read, in bytes after decompression. */
    static final int MAX_TEXT_BYTES = 4 << 20;

    private static final int MAX_CHUNKS = 1_000_000;
    private static final int MAX_KEYWORD_BYTES = 79;
    private static final long SIGNATURE = 0x89504E47_0D0A1A0AL;
    private static final int IHDR = 0x49484452;
    private static final int IEND = 0x49454E44;
    private static final int TEXT = 0x74455874;
    private static final int ZTXT = 0x7A545874;
    private static final int ITXT = 0x69545874;

    private final Path file;
    private final SeekableByteChannel channel;
    private final long size;

    private PngText(Path file, SeekableByteChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        this.size = channel.size();
    }

    /**
     * Returns the texts with these keywords, from {@code tEXt}, {@code zTXt} and {@code iTXt} chunks. Of several with the same
     * keyword it is the first one.
     *
     * @throws ZImageException if this is not a PNG file, or a damaged one, or one of the texts is too long
     * @throws IOException if the file cannot be read
     */
    public static Map<String, String> read(Path file, Set<String> keywords) throws IOException {
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            return new PngText(file, channel).read(keywords);
        }
    }

    private Map<String, String> read(Set<String> keywords) throws IOException {
        if (size < Long.BYTES || bytes(0, Long.BYTES).getLong() != SIGNATURE) {
            throw new ZImageException(file + " is not a PNG file");
        }
        Map<String, String> texts = new HashMap<>();
        long at = Long.BYTES;
        for (int count = 0; count < MAX_CHUNKS; count++) {
            ByteBuffer header = bytes(at, 8);
            int length = header.getInt();
            int type = header.getInt();
            if (length < 0 || length > size - at - 12 || !isChunkType(type)) {
                throw damaged("there is no whole chunk at byte " + at);
            }
            if (count == 0 && (type != IHDR || length != 13)) {
                throw damaged("it does not begin with a header");
            }
            if (type == IEND) {
                return texts;
            }
            if (type == TEXT || type == ZTXT || type == ITXT) {
                readText(at, length, type, keywords, texts);
            }
            at += 12L + length;
        }
        throw damaged("it has more than %d chunks".formatted(MAX_CHUNKS));
    }

    private void readText(long at, int length, int type, Set<String> keywords, Map<String, String> texts)
            throws IOException {
        ByteBuffer start = bytes(at + 8, Math.min(length, MAX_KEYWORD_BYTES + 1));
        String keyword = nulTerminated(start, at);
        if (!keywords.contains(keyword) || texts.containsKey(keyword)) {
            return;
        }
        if (length > MAX_TEXT_BYTES) {
            throw tooLong(keyword);
        }
        ByteBuffer chunk = bytes(at + 4, length + 8);
        CRC32 crc = new CRC32();
        crc.update(chunk.duplicate().position(0).limit(length + 4));
        if (chunk.getInt(length + 4) != (int) crc.getValue()) {
            throw damaged("the checksum of the chunk at byte %d is wrong".formatted(at));
        }
        ByteBuffer data = chunk.limit(length + 4).position(4 + keyword.length() + 1);
        texts.put(keyword, text(data, type, keyword, at));
    }

    private String text(ByteBuffer data, int type, String keyword, long at) {
        boolean compressed = type == ZTXT;
        if (type == ITXT) {
            if (!data.hasRemaining()) {
                throw damaged("the text at byte %d is cut off".formatted(at));
            }
            compressed = data.get() != 0;
        }
        if (type != TEXT && (!data.hasRemaining() || data.get() != 0)) {
            throw damaged("the text at byte %d is packed in an unknown way".formatted(at));
        }
        if (type == ITXT) {
            nulTerminated(data, at); // language
            nulTerminated(data, at); // translated keyword
        }
        byte[] text = compressed ? inflate(data, keyword, at) : remaining(data);
        return new String(text, type == ITXT ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1);
    }

    private byte[] inflate(ByteBuffer data, String keyword, long at) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] buffer = new byte[8192];
        Inflater inflater = new Inflater();
        try {
            inflater.setInput(data);
            while (!inflater.finished()) {
                int count = inflater.inflate(buffer);
                if (count == 0 && !inflater.finished()) {
                    throw damaged("the packed text at byte %d is cut off".formatted(at));
                }
                if (out.size() + count > MAX_TEXT_BYTES) {
                    throw tooLong(keyword);
                }
                out.write(buffer, 0, count);
            }
            return out.toByteArray();
        } catch (DataFormatException e) {
            throw damaged("the text at byte %d cannot be unpacked".formatted(at));
        } finally {
            inflater.end();
        }
    }

    private String nulTerminated(ByteBuffer data, long at) {
        int start = data.position();
        while (data.hasRemaining()) {
            if (data.get() == 0) {
                int length = data.position() - 1 - start;
                return new String(data.array(), data.arrayOffset() + start, length, StandardCharsets.ISO_8859_1);
            }
        }
        throw damaged("the text at byte %d is cut off".formatted(at));
    }

    private static byte[] remaining(ByteBuffer data) {
        byte[] bytes = new byte[data.remaining()];
        data.get(bytes);
        return bytes;
    }

    private ByteBuffer bytes(long position, int count) throws IOException {
        if (count > size - position) {
            throw damaged("it is cut off at byte " + size);
        }
        ByteBuffer buffer = ByteBuffer.allocate(count);
        channel.position(position);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw damaged("it was cut off while it was read");
            }
        }
        return buffer.flip();
    }

    private static boolean isChunkType(int type) {
        for (int shift = 0; shift < 32; shift += 8) {
            int letter = type >>> shift & 0xff;
            if ((letter < 'A' || letter > 'Z') && (letter < 'a' || letter > 'z')) {
                return false;
            }
        }
        return true;
    }

    private ZImageException damaged(String how) {
        return new ZImageException("%s is a damaged PNG file: %s".formatted(file, how));
    }

    private ZImageException tooLong(String keyword) {
        return new ZImageException(
                "%s: the text '%s' is longer than %d bytes".formatted(file, keyword, MAX_TEXT_BYTES));
    }
}
