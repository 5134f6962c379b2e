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

    /** The most pixels on a side. */
    private static final int MAX_SIDE = 32_768;

    /** The most pixels. */
    private static final long MAX_PIXELS = 64 << 20;

    /** Not turned. */
    static final int UPRIGHT = 1;

    /** Profiles of cameras and screens have a few kilobytes, those of printers, which are not of use here, a megabyte. */
    static final int MAX_PROFILE_BYTES = 1 << 20;

    /**
     * Refuses a picture that is too large.
     *
     * @throws IOException if it is
     */
    static void requireSize(long width, long height) throws IOException {
        if (width <= 0 || height <= 0) {
            throw new IOException("a picture must have pixels, but this is %d x %d".formatted(width, height));
        }
        if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
            throw new IOException(
                    "a picture must have at most %d x %d pixels and %d megapixels, but this is %d x %d: make it smaller first"
                            .formatted(MAX_SIDE, MAX_SIDE, MAX_PIXELS >> 20, width, height));
        }
    }
}
