package io.github.zimage.internal.image;

import io.github.zimage.ImageToImage;

/** Brings pictures to a size. */
final class Fitting {
    private Fitting() {}

    static Pixels of(ImageToImage.Fit fit, Pixels picture, int width, int height) {
        return switch (fit) {
            case STRETCH -> Lanczos.resize(picture, width, height);
            case COVER -> Lanczos.resize(picture.cropped(covering(picture, width, height)), width, height);
            case CONTAIN -> contained(picture, width, height);
        };
    }

    /** Returns the largest part in the middle of a picture that has the shape of a size. */
    private static Box covering(Pixels picture, int width, int height) {
        long across = (long) picture.width() * height;
        long down = (long) picture.height() * width;
        int partWidth = across > down ? Math.max(1, (int) (down / height)) : picture.width();
        int partHeight = across > down ? picture.height() : Math.max(1, (int) (across / width));
        int left = (picture.width() - partWidth) / 2;
        int top = (picture.height() - partHeight) / 2;
        return new Box(left, top, left + partWidth, top + partHeight);
    }

    private static Pixels contained(Pixels picture, int width, int height) {
        long across = (long) picture.width() * height;
        long down = (long) picture.height() * width;
        int innerWidth = across < down ? Math.max(1, (int) (across / picture.height())) : width;
        int innerHeight = across < down ? height : Math.max(1, (int) (down / picture.width()));
        Pixels inner = Lanczos.resize(picture, innerWidth, innerHeight);
        int left = (width - innerWidth) / 2;
        int top = (height - innerHeight) / 2;
        byte[] data = new byte[width * height * picture.bands()];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                for (int band = 0; band < picture.bands(); band++) {
                    data[(y * width + x) * picture.bands() + band] = (byte) inner.sample(
                            Math.max(0, Math.min(innerWidth - 1, x - left)),
                            Math.max(0, Math.min(innerHeight - 1, y - top)),
                            band);
                }
            }
        }
        return new Pixels(width, height, picture.bands(), data);
    }
}
