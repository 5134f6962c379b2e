package io.github.zimage.internal.image;

import java.awt.image.BufferedImage;

/** Turns pixels into AWT images. Beside what reads pictures, the only class that runs code of {@code java.desktop}. */
public final class AwtImage {
    private AwtImage() {}

    /**
     * Returns an image of type {@link BufferedImage#TYPE_INT_RGB}.
     *
     * @param rgb {@code width * height * 3} bytes: red, green, blue, row by row
     */
    public static BufferedImage of(int width, int height, byte[] rgb) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        int[] row = new int[width];
        int at = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++, at += 3) {
                row[x] = ((rgb[at] & 0xff) << 16) | ((rgb[at + 1] & 0xff) << 8) | (rgb[at + 2] & 0xff);
            }
            image.setRGB(0, y, width, 1, row, 0, width);
        }
        return image;
    }
}
