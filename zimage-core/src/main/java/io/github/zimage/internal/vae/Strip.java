package io.github.zimage.internal.vae;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Some rows of a picture.
 *
 * @param from the first row
 * @param to the row after the last
 * @param height how many rows the picture has
 */
record Strip(long from, long to, long height) {

    /** Cuts a picture into strips of so many rows; the last may have fewer. */
    static List<Strip> cut(long height, long rows) {
        List<Strip> strips = new ArrayList<>();
        for (long from = 0; from < height; from += rows) {
            strips.add(new Strip(from, Math.min(from + rows, height), height));
        }
        return strips;
    }

    boolean hasAbove() {
        return from > 0;
    }

    boolean hasBelow() {
        return to < height;
    }

    /** Returns the strip with one row more on each side where there is one: what a 3x3 convolution looks at. */
    Strip widened() {
        return new Strip(Math.max(from - 1, 0), Math.min(to + 1, height), height);
    }

    long rows() {
        return to - from;
    }

    /** Returns these rows of a whole picture [1, C, height, w], as a view. */
    Tensor of(Tensor whole) {
        return whole.narrow(2, from, rows());
    }
}
