package io.github.zimage.internal.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Takes WebP files apart. */
final class WebpFile {
    private static final int HEADER_BYTES = 12;
    private static final int CHUNK_HEADER = 8;
    private static final int EXTENDED_BYTES = 10;
    private static final byte ALPHA = 0x10;
    private static final byte[] EXIF = "Exif\0\0".getBytes(StandardCharsets.ISO_8859_1);

    private final ByteBuffer file;
    private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private int orientation = PictureFile.UPRIGHT;
    private byte @Nullable [] profile;
    private boolean framed;

    private WebpFile(byte[] file) {
        this.file = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    }

    static PictureFile read(byte[] file) throws IOException {
        return new WebpFile(file).read();
    }

    private PictureFile read() throws IOException {
        file.position(HEADER_BYTES);
        while (file.remaining() >= CHUNK_HEADER) {
            byte[] name = new byte[4];
            file.get(name);
            long length = Integer.toUnsignedLong(file.getInt());
            if (length > file.remaining()) {
                throw new IOException("the WebP file is cut off");
            }
            chunk(new String(name, StandardCharsets.ISO_8859_1), file.slice(file.position(), (int) length));
            file.position((int) Math.min(file.limit(), file.position() + length + length % 2));
        }
        if (!framed) {
            throw new IOException("the WebP file holds no picture");
        }
        ByteBuffer whole = ByteBuffer.allocate(HEADER_BYTES + kept.size()).order(ByteOrder.LITTLE_ENDIAN);
        whole.put(file.array(), 0, 4).putInt(HEADER_BYTES - CHUNK_HEADER + kept.size());
        whole.put(file.array(), CHUNK_HEADER, 4).put(kept.toByteArray());
        return new PictureFile(PictureFile.Format.WEBP, whole.array(), orientation, profile, null);
    }

    private void chunk(String type, ByteBuffer data) throws IOException {
        switch (type) {
            case "VP8X" -> extended(data);
            case "VP8 ", "VP8L" -> {
                framed = true;
                keep(type, data);
            }
            case "ALPH" -> keep(type, data);
            case "ANIM", "ANMF" ->
                throw new IOException(
                        "a WebP file must hold one picture, but this is animated: take a picture out of it");
            case "EXIF" -> {
                boolean named = data.remaining() > EXIF.length
                        && data.slice(0, EXIF.length).equals(ByteBuffer.wrap(EXIF));
                orientation = Exif.orientation(data.position(named ? EXIF.length : 0));
            }
            case "ICCP" -> {
                if (data.remaining() <= PictureFile.MAX_PROFILE_BYTES) {
                    profile = new byte[data.remaining()];
                    data.get(profile);
                }
            }
            default -> {}
        }
    }

    /** Says what is in the file: behind this, nothing but pixels. */
    private void extended(ByteBuffer data) throws IOException {
        if (data.remaining() != EXTENDED_BYTES) {
            throw new IOException("the WebP file's header is damaged");
        }
        ByteBuffer header = ByteBuffer.allocate(EXTENDED_BYTES).put(data).order(ByteOrder.LITTLE_ENDIAN);
        PictureFile.requireSize(1L + (header.getInt(4) & 0xffffff), 1L + (header.getInt(6) >>> 8));
        keep("VP8X", header.put(0, (byte) (header.get(0) & ALPHA)).rewind());
    }

    private void keep(String type, ByteBuffer data) {
        byte[] bytes = new byte[data.remaining()];
        data.get(bytes);
        kept.writeBytes(type.getBytes(StandardCharsets.ISO_8859_1));
        kept.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(bytes.length)
                .array());
        kept.writeBytes(bytes);
        if (bytes.length % 2 != 0) {
            kept.write(0);
        }
    }
}
