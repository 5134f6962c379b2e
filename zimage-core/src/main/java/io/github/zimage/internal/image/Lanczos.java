package io.github.zimage.internal.image;

import java.util.stream.IntStream;

/**
 * Pillow's {@code Image.resize(size, LANCZOS)} for 8 bits a sample, to the bit: a window of three lobes, wide enough that no pixel is left out when
 * a picture becomes smaller; coefficients of 22 bits behind the point; two passes, rounded to 8 bits between them. Columns come first, or, as of Pillow 13, rows if that
 * leaves out more than twice as many rows as columns.
 */
public final class Lanczos {
    private static final double LOBES = 3;
    private static final int PRECISION_BITS = 32 - 8 - 2;
    private static final int HALF = 1 << (PRECISION_BITS - 1);

    private Lanczos() {}

    /** Returns a picture in another size; itself if it has that size. */
    public static Pixels resize(Pixels picture, int width, int height) {
        int rowsLess = picture.height() - height;
        int columnsLess = picture.width() - width;
        return rowsLess > Math.max(0, 2 * columnsLess)
                ? columns(rows(picture, height), width)
                : rows(columns(picture, width), height);
    }

    private static Pixels columns(Pixels from, int width) {
        if (width == from.width()) {
            return from;
        }
        Window[] windows = windows(from.width(), width);
        int bands = from.bands();
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(width, from.height()), bands)];
        IntStream.range(0, from.height()).parallel().forEach(y -> {
            for (int x = 0; x < width; x++) {
                Window window = windows[x];
                int start = (y * from.width() + window.first()) * bands;
                for (int band = 0; band < bands; band++) {
                    to[(y * width + x) * bands + band] = window.apply(from.data(), start + band, bands);
                }
            }
        });
        return new Pixels(width, from.height(), bands, to);
    }

    private static Pixels rows(Pixels from, int height) {
        if (height == from.height()) {
            return from;
        }
        Window[] windows = windows(from.height(), height);
        int row = from.width() * from.bands();
        byte[] to = new byte[Math.multiplyExact(row, height)];
        IntStream.range(0, height).parallel().forEach(y -> {
            Window window = windows[y];
            for (int i = 0; i < row; i++) {
                to[y * row + i] = window.apply(from.data(), window.first() * row + i, row);
            }
        });
        return new Pixels(from.width(), height, from.bands(), to);
    }

    /**
     * What one new pixel is made of.
     *
     * @param first the first old pixel
     * @param weights one for each, in units of 2^-22
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Window(int first, int[] weights) {
        byte apply(byte[] data, int start, int stride) {
            int sum = HALF;
            int at = start;
            for (int weight : weights) {
                sum += Byte.toUnsignedInt(data[at]) * weight;
                at += stride;
            }
            return (byte) Math.max(0, Math.min(255, sum >> PRECISION_BITS));
        }
    }

    private static Window[] windows(int from, int to) {
        double scale = (double) from / to;
        double stretch = Math.max(scale, 1);
        double support = LOBES * stretch;
        Window[] windows = new Window[to];
        for (int i = 0; i < to; i++) {
            double center = (i + 0.5) * scale;
            int first = Math.max((int) (center - support + 0.5), 0);
            int end = Math.min((int) (center + support + 0.5), from);
            windows[i] = window(first, end, center, 1 / stretch);
        }
        return windows;
    }

    private static Window window(int first, int end, double center, double shrink) {
        double[] weights = new double[end - first];
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            weights[i] = lanczos((i + first - center + 0.5) * shrink);
            sum += weights[i];
        }
        int[] rounded = new int[weights.length];
        for (int i = 0; i < weights.length; i++) {
            double share = sum == 0 ? weights[i] : weights[i] / sum;
            rounded[i] = (int) (share * (1 << PRECISION_BITS) + (share < 0 ? -0.5 : 0.5));
        }
        return new Window(first, rounded);
    }

    private static double lanczos(double x) {
        return -LOBES <= x && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
    }

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
    }
}
