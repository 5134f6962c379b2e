package io.github.zimage.internal.image;

/**
 * Pillow's {@code GaussianBlur}, to the bit: three box blurs of rows, then of columns, whose width need not be whole, in units of 2^-24 and with edges
 * repeated.
 */
final class GaussianBlur {
    private static final int PASSES = 3;
    private static final int HALF = 1 << 23;

    private GaussianBlur() {}

    /**
     * Returns a picture, blurred.
     *
     * @param radius the standard deviation in pixels, above 0
     */
    static Pixels of(Pixels picture, double radius) {
        float box = boxRadius((float) radius);
        Pixels rows = picture;
        for (int i = 0; i < PASSES; i++) {
            rows = boxed(rows, box);
        }
        Pixels columns = turned(rows);
        for (int i = 0; i < PASSES; i++) {
            columns = boxed(columns, box);
        }
        return turned(columns);
    }

    /** The radius of boxes whose variances add up to that of the Gaussian. */
    private static float boxRadius(float radius) {
        float variance = radius * radius / PASSES;
        float wanted = (float) Math.sqrt(12.0 * variance + 1.0);
        float whole = (float) Math.floor((wanted - 1.0) / 2.0);
        float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
        part /= 6 * (variance - (whole + 1) * (whole + 1));
        return whole + part;
    }

    private static Pixels boxed(Pixels picture, float radius) {
        int whole = (int) radius;
        int weight = (int) ((1 << 24) / (radius * 2 + 1));
        int edge = ((1 << 24) - (whole * 2 + 1) * weight) / 2;
        byte[] to = new byte[picture.data().length];
        for (int y = 0; y < picture.height(); y++) {
            for (int band = 0; band < picture.bands(); band++) {
                boxRow(picture, y, band, whole, weight, edge, to);
            }
        }
        return new Pixels(picture.width(), picture.height(), picture.bands(), to);
    }

    private static void boxRow(Pixels picture, int y, int band, int whole, int weight, int edge, byte[] to) {
        int last = picture.width() - 1;
        int sum = 0;
        for (int x = -whole; x <= whole; x++) {
            sum += picture.sample(Math.max(0, Math.min(last, x)), y, band);
        }
        for (int x = 0; x <= last; x++) {
            int before = picture.sample(Math.max(0, Math.min(last, x - whole - 1)), y, band);
            int behind = picture.sample(Math.max(0, Math.min(last, x + whole + 1)), y, band);
            // Unsigned, since white comes close to 2^32.
            long blurred = Integer.toUnsignedLong(sum * weight + (before + behind) * edge + HALF);
            to[(y * picture.width() + x) * picture.bands() + band] = (byte) (blurred >> 24);
            sum += behind - picture.sample(Math.max(0, Math.min(last, x - whole)), y, band);
        }
    }

    private static Pixels turned(Pixels picture) {
        int across = picture.height();
        int down = picture.width();
        byte[] to = new byte[picture.data().length];
        for (int y = 0; y < across; y++) {
            for (int x = 0; x < down; x++) {
                int from = (y * down + x) * picture.bands();
                System.arraycopy(picture.data(), from, to, (x * across + y) * picture.bands(), picture.bands());
            }
        }
        return new Pixels(across, down, picture.bands(), to);
    }
}
