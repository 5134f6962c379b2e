package io.github.zimage.internal.image;

/**
 * Canny's edges, as OpenCV's {@code cv2.Canny(picture, low, high)} finds them, to the pixel: Sobel gradients of 3 by 3 pixels with repeated edges, the
 * sum of both magnitudes as length, the band of the longest gradient, suppression of what is no maximum across the edge in one of four directions, and
 * two thresholds, the lower for what is connected to what passes the higher.
 */
final class Canny {
    /** tan(22.5°), with 15 bits behind the point. */
    private static final int TAN_22 = (int) (0.41421356237309503 * (1 << 15) + 0.5);

    private static final byte EDGE = (byte) 255;
    /** What passes the lower threshold, until it is known whether it is connected. */
    private static final byte MAYBE = 1;

    private final Pixels picture;
    private final int width;
    private final int height;
    private final short[] dx;
    private final short[] dy;
    private final int[] length;

    private Canny(Pixels picture) {
        this.picture = picture;
        width = picture.width();
        height = picture.height();
        int pixels = Math.multiplyExact(width, height);
        dx = new short[pixels];
        dy = new short[pixels];
        length = new int[pixels];
    }

    /**
     * Returns the edges of a picture in grey: 255 where there is one, or 0.
     *
     * @param low the lower threshold of the length of gradients
     * @param high the higher one
     */
    static Pixels edges(Pixels picture, int low, int high) {
        Canny canny = new Canny(picture);
        canny.gradients();
        return new Pixels(picture.width(), picture.height(), 1, canny.connected(low, high));
    }

    private void gradients() {
        for (int y = 0; y < height; y++) {
            int above = Math.max(y - 1, 0);
            int below = Math.min(y + 1, height - 1);
            for (int x = 0; x < width; x++) {
                int left = Math.max(x - 1, 0);
                int right = Math.min(x + 1, width - 1);
                for (int band = 0; band < picture.bands(); band++) {
                    int across = picture.sample(right, above, band)
                            - picture.sample(left, above, band)
                            + 2 * (picture.sample(right, y, band) - picture.sample(left, y, band))
                            + picture.sample(right, below, band)
                            - picture.sample(left, below, band);
                    int down = picture.sample(left, below, band)
                            - picture.sample(left, above, band)
                            + 2 * (picture.sample(x, below, band) - picture.sample(x, above, band))
                            + picture.sample(right, below, band)
                            - picture.sample(right, above, band);
                    keepLongest(y * width + x, band, across, down);
                }
            }
        }
    }

    private void keepLongest(int at, int band, int across, int down) {
        int own = Math.abs(across) + Math.abs(down);
        if (band == 0 || own > length[at]) {
            dx[at] = (short) across;
            dy[at] = (short) down;
            length[at] = own;
        }
    }

    private byte[] connected(int low, int high) {
        byte[] map = new byte[length.length];
        int[] open = new int[length.length];
        int count = 0;
        for (int at = 0; at < map.length; at++) {
            if (length[at] > low && isMaximum(at % width, at / width)) {
                map[at] = length[at] > high ? EDGE : MAYBE;
                if (map[at] == EDGE) {
                    open[count++] = at;
                }
            }
        }
        while (count > 0) {
            int at = open[--count];
            for (int y = Math.max(at / width - 1, 0); y <= Math.min(at / width + 1, height - 1); y++) {
                for (int x = Math.max(at % width - 1, 0); x <= Math.min(at % width + 1, width - 1); x++) {
                    if (map[y * width + x] == MAYBE) {
                        map[y * width + x] = EDGE;
                        open[count++] = y * width + x;
                    }
                }
            }
        }
        for (int at = 0; at < map.length; at++) {
            map[at] = map[at] == EDGE ? EDGE : 0;
        }
        return map;
    }

    /** Tells whether no neighbour across the edge has a longer gradient. Outside of the picture there is none. */
    private boolean isMaximum(int x, int y) {
        int at = y * width + x;
        int own = length[at];
        int across = Math.abs(dx[at]);
        long down = (long) Math.abs(dy[at]) << 15;
        long flat = (long) across * TAN_22;
        if (down < flat) {
            return own > length(x - 1, y) && own >= length(x + 1, y);
        }
        if (down > flat + ((long) across << 16)) {
            return own > length(x, y - 1) && own >= length(x, y + 1);
        }
        int side = (dx[at] ^ dy[at]) < 0 ? -1 : 1;
        return own > length(x - side, y - 1) && own > length(x + side, y + 1);
    }

    private int length(int x, int y) {
        return x < 0 || y < 0 || x >= width || y >= height ? 0 : length[y * width + x];
    }
}
