package io.github.zimage.internal.image;

import java.util.Arrays;

/**
 * A picture of 8 bits a sample on the Java heap.
 *
 * @param width in pixels
 * @param height in pixels
 * @param bands samples a pixel: 3 (red, green, blue) or 1 (grey)
 * @param data {@code width * height * bands} bytes, row by row from the top left
 */
@SuppressWarnings("ArrayRecordComponent") // carries arrays from one place to the next; never compared
public record Pixels(int width, int height, int bands, byte[] data) {
    /** Checks that there are as many bytes as there should be. */
    public Pixels {
        if (width <= 0 || height <= 0 || data.length != (long) width * height * bands) {
            throw new IllegalArgumentException("%d x %d pixels of %d bytes need as many, but there were %d"
                    .formatted(width, height, bands, data.length));
        }
    }

    /** Returns a picture that is the same everywhere. */
    static Pixels filled(int width, int height, int value) {
        byte[] data = new byte[Math.multiplyExact(width, height)];
        Arrays.fill(data, (byte) value);
        return new Pixels(width, height, 1, data);
    }

    /** Returns a sample, from 0 to 255. */
    int sample(int x, int y, int band) {
        return Byte.toUnsignedInt(data[(y * width + x) * bands + band]);
    }

    /** Returns a part of the picture. */
    public Pixels cropped(Box box) {
        byte[] part = new byte[box.width() * box.height() * bands];
        int row = box.width() * bands;
        for (int y = 0; y < box.height(); y++) {
            System.arraycopy(data, ((box.top() + y) * width + box.left()) * bands, part, y * row, row);
        }
        return new Pixels(box.width(), box.height(), bands, part);
    }

    /** Returns the picture enlarged on all sides, each new pixel being that of its mirror image in the old edge. */
    public Pixels mirrored(int left, int top, int right, int bottom) {
        int newWidth = left + width + right;
        int newHeight = top + height + bottom;
        byte[] enlarged = new byte[Math.multiplyExact(Math.multiplyExact(newWidth, newHeight), bands)];
        for (int y = 0; y < newHeight; y++) {
            int fromY = inside(y - top, height);
            for (int x = 0; x < newWidth; x++) {
                int from = (fromY * width + inside(x - left, width)) * bands;
                System.arraycopy(data, from, enlarged, (y * newWidth + x) * bands, bands);
            }
        }
        return new Pixels(newWidth, newHeight, bands, enlarged);
    }

    /** Returns where a coordinate comes to lie if space is folded at both edges. */
    private static int inside(int at, int size) {
        int folded = Math.floorMod(at, 2 * size);
        return folded < size ? folded : 2 * size - 1 - folded;
    }

    /** Returns the picture in grey by ITU-R 601-2, as Pillow weighs the colours. */
    public Pixels grey() {
        if (bands == 1) {
            return this;
        }
        byte[] grey = new byte[width * height];
        for (int i = 0; i < grey.length; i++) {
            int red = Byte.toUnsignedInt(data[3 * i]);
            int green = Byte.toUnsignedInt(data[3 * i + 1]);
            int blue = Byte.toUnsignedInt(data[3 * i + 2]);
            grey[i] = (byte) ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16);
        }
        return new Pixels(width, height, 1, grey);
    }

    /** Returns a grey picture with three bands. */
    public Pixels coloured() {
        if (bands == 3) {
            return this;
        }
        byte[] rgb = new byte[Math.multiplyExact(3, data.length)];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = data[i / 3];
        }
        return new Pixels(width, height, 3, rgb);
    }

    /** Returns the same size and content. */
    boolean isSame(Pixels other) {
        return width == other.width
                && height == other.height
                && bands == other.bands
                && Arrays.equals(data, other.data);
    }
}
