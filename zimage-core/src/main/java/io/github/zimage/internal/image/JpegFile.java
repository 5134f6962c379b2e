package io.github.zimage.internal.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Takes JPEG files apart. */
final class JpegFile {
    private static final int START = 0xd8;
    private static final int END = 0xd9;
    private static final int SCAN = 0xda;
    private static final int APP0 = 0xe0;
    private static final int APP1 = 0xe1;
    private static final int APP2 = 0xe2;
    private static final int APP14 = 0xee;
    private static final int APP15 = 0xef;
    private static final int COMMENT = 0xfe;

    /** Progressive files have some ten; each costs as much as decoding the whole picture. */
    private static final int MAX_SCANS = 100;

    private static final byte[] EXIF = "Exif\0\0".getBytes(StandardCharsets.ISO_8859_1);
    private static final byte[] PROFILE = "ICC_PROFILE\0".getBytes(StandardCharsets.ISO_8859_1);

    private final ByteBuffer file;
    private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private final SortedMap<Integer, ByteBuffer> profile = new TreeMap<>();
    private int orientation = PictureFile.UPRIGHT;
    private boolean framed;
    private int scans;

    private JpegFile(byte[] file) {
        this.file = ByteBuffer.wrap(file);
    }

    static PictureFile read(byte[] file) throws IOException {
        return new JpegFile(file).read();
    }

    private PictureFile read() throws IOException {
        file.position(2);
        kept.write(0xff);
        kept.write(START);
        int marker = marker();
        while (marker != END) {
            segment(marker);
            marker = marker();
        }
        kept.write(0xff);
        kept.write(END);
        if (!framed || scans == 0) {
            throw new IOException("the JPEG file holds no picture");
        }
        return new PictureFile(PictureFile.Format.JPEG, kept.toByteArray(), orientation, profile(), null);
    }

    private int marker() throws IOException {
        int value = next();
        if (value != 0xff) {
            throw new IOException("the JPEG file is damaged");
        }
        while (value == 0xff) {
            value = next();
        }
        return value;
    }

    private int next() throws IOException {
        if (!file.hasRemaining()) {
            throw new IOException("the JPEG file is cut off");
        }
        return Byte.toUnsignedInt(file.get());
    }

    private void segment(int marker) throws IOException {
        int start = file.position();
        int length = next() << 8 | next();
        if (length < 2 || length - 2 > file.remaining()) {
            throw new IOException("the JPEG file is cut off");
        }
        ByteBuffer data = file.slice(start + 2, length - 2);
        file.position(start + length);
        boolean isFrame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (isFrame) {
            frame(data);
        } else if (marker == APP1 && startsWith(data, EXIF)) {
            orientation = Exif.orientation(data.position(EXIF.length));
        } else if (marker == APP2 && startsWith(data, PROFILE) && data.remaining() > PROFILE.length + 2) {
            profile.put(Byte.toUnsignedInt(data.get(PROFILE.length)), data.position(PROFILE.length + 2));
        }
        if (marker == APP0 || marker == APP14 || (marker != COMMENT && (marker < APP0 || marker > APP15))) {
            kept.write(0xff);
            kept.write(marker);
            kept.write(file.array(), start, length);
        }
        if (marker == SCAN) {
            scan();
        }
    }

    private void frame(ByteBuffer data) throws IOException {
        if (framed || data.remaining() < 6) {
            throw new IOException("the JPEG file is damaged");
        }
        framed = true;
        PictureFile.requireSize(Short.toUnsignedInt(data.getShort(3)), Short.toUnsignedInt(data.getShort(1)));
        if (data.get(5) != 1 && data.get(5) != 3) {
            throw new IOException(
                    "a JPEG file must be in grey or in RGB, but this has %d channels, as those for printers do: convert it first"
                            .formatted(Byte.toUnsignedInt(data.get(5))));
        }
    }

    /** Copies what is behind the header of a scan, up to the next marker that is none of the scan's own. */
    private void scan() throws IOException {
        scans++;
        if (scans > MAX_SCANS) {
            throw new IOException("a JPEG file must have at most %d scans, but this has more".formatted(MAX_SCANS));
        }
        byte[] bytes = file.array();
        int start = file.position();
        int at = start;
        while (at + 1 < bytes.length) {
            int second = Byte.toUnsignedInt(bytes[at + 1]);
            if (bytes[at] == (byte) 0xff && second != 0 && second != 0xff && (second < 0xd0 || second > 0xd7)) {
                kept.write(bytes, start, at - start);
                file.position(at);
                return;
            }
            at++;
        }
        throw new IOException("the JPEG file is cut off");
    }

    private static boolean startsWith(ByteBuffer data, byte[] prefix) {
        return data.remaining() >= prefix.length && data.slice(0, prefix.length).equals(ByteBuffer.wrap(prefix));
    }

    private byte @Nullable [] profile() {
        int length = profile.values().stream().mapToInt(ByteBuffer::remaining).sum();
        if (length == 0 || length > PictureFile.MAX_PROFILE_BYTES) {
            return null;
        }
        ByteBuffer all = ByteBuffer.allocate(length);
        profile.values().forEach(all::put);
        return all.array();
    }
}
