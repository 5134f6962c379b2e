package io.github.zimage.internal.image;

/**
 * A part of a picture.
 *
 * @param left the first column
 * @param top the first row
 * @param right the column after the last
 * @param bottom the row after the last
 */
public record Box(int left, int top, int right, int bottom) {
    /** Returns the number of columns. */
    public int width() {
        return right - left;
    }

    /** Returns the number of rows. */
    public int height() {
        return bottom - top;
    }
}
