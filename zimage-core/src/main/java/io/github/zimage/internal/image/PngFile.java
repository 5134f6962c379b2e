package io.github.zimage.internal.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.jspecify.annotations.Nullable;

/** Takes PNG files apart. */
final class PngFile {
    private static final int SIGNATURE_BYTES = 8;
    private static final int CHUNK_FRAME = 12;
    private static final int HEADER_BYTES = 13;
    private static final int GREY = 0;
    private static final int COLOUR = 2;
    private static final int PALETTE = 3;

    private final ByteBuffer file;
    private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private int colourType = -1;
    private int orientation = PictureFile.UPRIGHT;
    private byte @Nullable [] profile;
    private int @Nullable [] transparent;

    private PngFile(byte[] file) {
        this.file = ByteBuffer.wrap(file);
    }

    static PictureFile read(byte[] file) throws IOException {
        return new PngFile(file).read();
    }

    private PictureFile read() throws IOException {
        kept.write(file.array(), 0, SIGNATURE_BYTES);
        file.position(SIGNATURE_BYTES);
        String type = "";
        while (!type.equals("IEND")) {
            if (file.remaining() < CHUNK_FRAME) {
                throw new IOException("the PNG file is cut off");
            }
            int start = file.position();
            int length = file.getInt();
            byte[] name = new byte[4];
            file.get(name);
            type = new String(name, StandardCharsets.ISO_8859_1);
            if (length < 0 || length > file.remaining() - 4) {
                throw new IOException("the PNG file is cut off");
            }
            if (chunk(type, file.slice(file.position(), length))) {
                kept.write(file.array(), start, CHUNK_FRAME + length);
            }
            file.position(start + CHUNK_FRAME + length);
        }
        if (colourType < 0) {
            throw new IOException("the PNG file has no header");
        }
        return new PictureFile(PictureFile.Format.PNG, kept.toByteArray(), orientation, profile, transparent);
    }

    /** Looks at a chunk. Returns whether the decoder shall see it. */
    private boolean chunk(String type, ByteBuffer data) throws IOException {
        switch (type) {
            case "IHDR" -> {
                if (data.remaining() != HEADER_BYTES || colourType >= 0) {
                    throw new IOException("the PNG file's header is damaged");
                }
                PictureFile.requireSize(data.getInt(0), data.getInt(4));
                colourType = data.get(9);
                return true;
            }
            case "PLTE", "IDAT", "IEND" -> {
                return true;
            }
            case "tRNS" -> {
                return transparency(data);
            }
            case "eXIf" -> orientation = Exif.orientation(data);
            case "iCCP" -> profile = profile(data);
            default -> {}
        }
        return false;
    }

    /** Not all decoders know that one colour or grey of a picture without a palette may be transparent. */
    private boolean transparency(ByteBuffer data) {
        int samples = colourType == GREY ? 1 : colourType == COLOUR ? 3 : 0;
        if (samples > 0 && data.remaining() == 2 * samples) {
            int[] key = new int[samples];
            Arrays.setAll(key, i -> Short.toUnsignedInt(data.getShort(2 * i)));
            transparent = key;
        }
        return colourType == PALETTE;
    }

    private static byte @Nullable [] profile(ByteBuffer data) {
        int at = 0;
        while (at < data.limit() && data.get(at) != 0) {
            at++; // the profile's name
        }
        if (at + 2 >= data.limit() || data.get(at + 1) != 0) {
            return null;
        }
        data.position(at + 2);
        Inflater inflater = new Inflater();
        try {
            inflater.setInput(data);
            byte[] inflated = new byte[PictureFile.MAX_PROFILE_BYTES];
            int length = inflater.inflate(inflated);
            return inflater.finished() ? Arrays.copyOf(inflated, length) : null;
        } catch (DataFormatException e) {
            return null; // without its profile, it is a picture still
        } finally {
            inflater.end();
        }
    }
}
