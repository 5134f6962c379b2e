package io.github.zimage.internal.image;

import java.awt.color.ColorSpace;
import java.awt.color.ICC_ColorSpace;
import java.awt.color.ICC_Profile;
import java.awt.image.BufferedImage;
import java.awt.image.ColorConvertOp;
import java.awt.image.ColorModel;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Takes pixels out of AWT's images as they are stored, where AWT itself would convert greys and colours. */
public final class AwtPixels {
    private static final int BANDS = 3;
    private static final int OPAQUE = 255;
    private static final int ROUNDING = 2;

    private final BufferedImage image;
    private final int @Nullable [] transparent;

    private AwtPixels(BufferedImage image, int @Nullable [] transparent) {
        this.image = image;
        this.transparent = transparent;
    }

    /** Returns an image in red, green and blue, over white where it is transparent. */
    public static Pixels rgb(BufferedImage image) {
        return rgb(image, null, null);
    }

    /**
     * Returns an image in red, green and blue, over white where it is transparent.
     *
     * @param transparent the samples of a colour that is transparent, or null
     * @param profile what colours mean, or null for sRGB; one that is damaged is left out
     */
    static Pixels rgb(BufferedImage image, int @Nullable [] transparent, byte @Nullable [] profile) {
        byte[] rgb = new AwtPixels(image, transparent).rgb(profile);
        return new Pixels(image.getWidth(), image.getHeight(), BANDS, rgb);
    }

    /**
     * Returns how transparent an image is, white where nothing is seen of it; null if all is.
     *
     * @param transparent the samples of a colour that is transparent, or null
     */
    static @Nullable Pixels transparency(BufferedImage image, int @Nullable [] transparent) {
        Row row = new AwtPixels(image, transparent).row();
        int width = image.getWidth();
        byte[] rgb = new byte[Math.multiplyExact(Math.multiplyExact(width, image.getHeight()), BANDS)];
        int[] argb = new int[width];
        boolean seeThrough = false;
        for (int y = 0; y < image.getHeight(); y++) {
            row.read(y, argb);
            for (int x = 0; x < width; x++) {
                byte clear = (byte) (OPAQUE - (argb[x] >>> 24));
                Arrays.fill(rgb, BANDS * (y * width + x), BANDS * (y * width + x + 1), clear);
                seeThrough |= clear != 0;
            }
        }
        return seeThrough ? new Pixels(width, image.getHeight(), BANDS, rgb) : null;
    }

    private byte[] rgb(byte @Nullable [] profile) {
        int width = image.getWidth();
        byte[] rgb = new byte[Math.multiplyExact(Math.multiplyExact(width, image.getHeight()), BANDS)];
        byte[] alpha = new byte[width * image.getHeight()];
        Row row = row();
        int[] argb = new int[width];
        boolean seeThrough = false;
        for (int y = 0; y < image.getHeight(); y++) {
            row.read(y, argb);
            for (int x = 0; x < width; x++) {
                int at = y * width + x;
                rgb[BANDS * at] = (byte) (argb[x] >> 16);
                rgb[BANDS * at + 1] = (byte) (argb[x] >> 8);
                rgb[BANDS * at + 2] = (byte) argb[x];
                alpha[at] = (byte) (argb[x] >>> 24);
                seeThrough |= alpha[at] != (byte) OPAQUE;
            }
        }
        byte[] converted = profile == null ? rgb : toSrgb(rgb, profile);
        return seeThrough ? overWhite(converted, alpha) : converted;
    }

    /** Gives rows of pixels. */
    private interface Row {
        /** Reads a row: alpha, red, green and blue, 8 bits each. */
        void read(int y, int[] argb);
    }

    private Row row() {
        ColorModel model = image.getColorModel();
        if (model instanceof IndexColorModel palette) {
            return (y, argb) -> palette(palette, y, argb);
        }
        boolean plain = model instanceof ComponentColorModel
                && !model.isAlphaPremultiplied()
                && (model.getTransferType() == DataBuffer.TYPE_BYTE
                        || model.getTransferType() == DataBuffer.TYPE_USHORT)
                && model.getNumColorComponents() != 2
                && model.getNumColorComponents() <= BANDS;
        return plain ? this::samples : (y, argb) -> image.getRGB(0, y, argb.length, 1, argb, 0, argb.length);
    }

    private void palette(IndexColorModel palette, int y, int[] argb) {
        int[] indices = image.getRaster().getPixels(0, y, argb.length, 1, (int[]) null);
        for (int x = 0; x < argb.length; x++) {
            boolean clear = transparent != null && transparent.length == 1 && transparent[0] == indices[x];
            argb[x] = clear ? palette.getRGB(indices[x]) & 0xffffff : palette.getRGB(indices[x]);
        }
    }

    private void samples(int y, int[] argb) {
        int bands = image.getRaster().getNumBands();
        boolean grey = image.getColorModel().getNumColorComponents() == 1;
        boolean hasAlpha = image.getColorModel().hasAlpha();
        int shift = image.getColorModel().getTransferType() == DataBuffer.TYPE_USHORT ? 8 : 0;
        int[] samples = image.getRaster().getPixels(0, y, argb.length, 1, (int[]) null);
        for (int x = 0; x < argb.length; x++) {
            int at = x * bands;
            int red = samples[at] >> shift;
            int green = grey ? red : samples[at + 1] >> shift;
            int blue = grey ? red : samples[at + 2] >> shift;
            int alpha = hasAlpha ? samples[at + bands - 1] >> shift : isTransparent(samples, at) ? 0 : OPAQUE;
            argb[x] = alpha << 24 | red << 16 | green << 8 | blue;
        }
    }

    private boolean isTransparent(int[] samples, int at) {
        return transparent != null
                && Arrays.equals(samples, at, at + transparent.length, transparent, 0, transparent.length);
    }

    /** Pillow's {@code alpha_composite} over opaque white: 7 bits behind the point, and divisions by 255 as shifts. */
    private static byte[] overWhite(byte[] rgb, byte[] alpha) {
        byte[] over = new byte[rgb.length];
        for (int i = 0; i < rgb.length; i++) {
            int share = Byte.toUnsignedInt(alpha[i / BANDS]) << 7;
            int sum = Byte.toUnsignedInt(rgb[i]) * share + OPAQUE * ((OPAQUE << 7) - share) + (0x80 << 7);
            over[i] = (byte) ((sum + (sum >> 8)) >> 8 >> 7);
        }
        return over;
    }

    private static byte[] toSrgb(byte[] rgb, byte[] profile) {
        try {
            ICC_Profile given = ICC_Profile.getInstance(profile);
            if (given.getColorSpaceType() != ColorSpace.TYPE_RGB) {
                return rgb;
            }
            ColorConvertOp conversion =
                    new ColorConvertOp(new ICC_ColorSpace(given), ColorSpace.getInstance(ColorSpace.CS_sRGB), null);
            byte[] converted = new byte[rgb.length];
            conversion.filter(raster(rgb), raster(converted));
            return differs(converted, rgb) ? converted : rgb;
        } catch (RuntimeException e) {
            return rgb; // without its profile, it is a picture still
        }
    }

    /** Profiles of sRGB itself differ in last digits, which is no reason to change a picture. */
    private static boolean differs(byte[] converted, byte[] rgb) {
        for (int i = 0; i < rgb.length; i++) {
            if (Math.abs(Byte.toUnsignedInt(converted[i]) - Byte.toUnsignedInt(rgb[i])) > ROUNDING) {
                return true;
            }
        }
        return false;
    }

    private static WritableRaster raster(byte[] rgb) {
        int pixels = rgb.length / BANDS;
        return Raster.createInterleavedRaster(
                new DataBufferByte(rgb, rgb.length), pixels, 1, rgb.length, BANDS, new int[] {0, 1, 2}, null);
    }
}
