package io.github.zimage.internal.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A file of a picture, taken apart: its decoder sees the pixels only. Texts, thumbnails and colour profiles, which could cost more than the picture,
 * are left out.
 *
 * @param format what it is
 * @param bytes the file without what is left out
 * @param orientation how the picture is to be turned, 1 to 8, as EXIF counts
 * @param profile an ICC colour profile, or null
 * @param transparent the samples of the one colour that is transparent, or null
 */
@SuppressWarnings("ArrayRecordComponent") // carries arrays from one place to the next; never compared
record PictureFile(
        Format format, byte[] bytes, int orientation, byte @Nullable [] profile, int @Nullable [] transparent) {
    /** What files of pictures are read, by the names that ImageIO knows them by. */
    enum Format {
        PNG,
        JPEG,
        WEBP
    }

    /** Not turned. */
    static final int UPRIGHT = 1;

    /** Profiles of cameras and screens have a few kilobytes, those of printers, which are not of use here, a megabyte. */
    static final int MAX_PROFILE_BYTES = 1 << 20;

    /**
     * Takes a file apart.
     *
     * @throws IOException if it is none of the formats, damaged, or larger than the limits
     */
    static PictureFile of(byte[] file) throws IOException {
        if (startsWith(file, 0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n')) {
            return PngFile.read(file);
        }
        if (startsWith(file, 0, 0xff, 0xd8, 0xff)) {
            return JpegFile.read(file);
        }
        if (startsWith(file, 0, 'R', 'I', 'F', 'F') && startsWith(file, 8, 'W', 'E', 'B', 'P')) {
            return new PictureFile(Format.WEBP, file, UPRIGHT, null, null);
        }
        throw new IOException("it must be a PNG, JPEG or WebP file, but begins with " + beginning(file));
    }

    private static boolean startsWith(byte[] file, int at, int... bytes) {
        if (file.length < at + bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if (Byte.toUnsignedInt(file[at + i]) != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    private static String beginning(byte[] file) {
        StringBuilder hex = new StringBuilder();
        for (int i = 0; i < Math.min(8, file.length); i++) {
            hex.append("%02x ".formatted(file[i]));
        }
        return hex.isEmpty() ? "nothing" : hex.toString().trim();
    }

    /**
     * Refuses a picture that is too large.
     *
     * @throws IOException if it is
     */
    static void requireSize(long width, long height) throws IOException {
        if (width <= 0 || height <= 0) {
            throw new IOException("a picture must have pixels, but this is %d x %d".formatted(width, height));
        }
        if (width > PictureReader.MAX_SIDE
                || height > PictureReader.MAX_SIDE
                || width * height > PictureReader.MAX_PIXELS) {
            throw new IOException(
                    "a picture must have at most %d x %d pixels and %d megapixels, but this is %d x %d: make it smaller first"
                            .formatted(
                                    PictureReader.MAX_SIDE,
                                    PictureReader.MAX_SIDE,
                                    PictureReader.MAX_PIXELS >> 20,
                                    width,
                                    height));
        }
    }
}
