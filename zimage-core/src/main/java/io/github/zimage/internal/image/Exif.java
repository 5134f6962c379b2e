package io.github.zimage.internal.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** What EXIF says of how a picture is to be turned. */
final class Exif {
    private static final int ORIENTATION = 0x0112;
    private static final int SHORT = 3;
    private static final int ENTRY_BYTES = 12;

    private Exif() {}

    /** Returns the orientation, from 1 to 8; 1 if it is not there or damaged. */
    static int orientation(ByteBuffer exif) {
        ByteBuffer tiff = exif.slice();
        if (tiff.remaining() < 8) {
            return PictureFile.UPRIGHT;
        }
        tiff.order(tiff.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long start = Integer.toUnsignedLong(tiff.getInt(4));
        if (start + 2 > tiff.limit()) {
            return PictureFile.UPRIGHT;
        }
        int entries = Short.toUnsignedInt(tiff.getShort((int) start));
        for (int i = 0; i < entries; i++) {
            long entry = start + 2 + (long) i * ENTRY_BYTES;
            if (entry + ENTRY_BYTES > tiff.limit()) {
                break;
            }
            int at = (int) entry;
            if (Short.toUnsignedInt(tiff.getShort(at)) == ORIENTATION && tiff.getShort(at + 2) == SHORT) {
                int value = Short.toUnsignedInt(tiff.getShort(at + 8));
                return value >= 1 && value <= 8 ? value : PictureFile.UPRIGHT;
            }
        }
        return PictureFile.UPRIGHT;
    }

    /** Returns a picture turned so that it is upright. */
    static Pixels upright(Pixels picture, int orientation) {
        if (orientation == PictureFile.UPRIGHT) {
            return picture;
        }
        int w = picture.width();
        int h = picture.height();
        int bands = picture.bands();
        boolean swaps = orientation >= 5;
        int width = swaps ? h : w;
        int height = swaps ? w : h;
        byte[] turned = new byte[picture.data().length];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int fromX = switch (orientation) {
                    case 2, 3 -> w - 1 - x;
                    case 4 -> x;
                    case 5, 6 -> y;
                    default -> w - 1 - y;
                };
                int fromY = switch (orientation) {
                    case 2 -> y;
                    case 3, 4 -> h - 1 - y;
                    case 5, 8 -> x;
                    default -> h - 1 - x;
                };
                System.arraycopy(picture.data(), (fromY * w + fromX) * bands, turned, (y * width + x) * bands, bands);
            }
        }
        return new Pixels(width, height, bands, turned);
    }
}
