package io.github.zimage.internal.image;

import io.github.zimage.ImageToImage;
import org.jspecify.annotations.Nullable;

/**
 * A picture with more around it. What is new is the mirror image of what is there, softened: the model's norms and attention see it, so that
 * a flat colour would show in what is kept.
 */
final class Outpainting {
    private static final int MULTIPLE = 16;

    /** So far into the old picture the new one is faded over. */
    private static final int FEATHER = 16;

    private static final int BLUR = 8;
    private static final int WHITE = 255;

    private final int width;
    private final int height;
    private final int left;
    private final int top;
    private final int right;
    private final int bottom;

    Outpainting(int width, int height, ImageToImage.Extension extension) {
        this.width = width;
        this.height = height;
        left = up(extension.left());
        top = up(extension.top());
        // The whole is a multiple, too, where anything is added behind.
        right = extension.right() == 0 ? 0 : up(left + width + extension.right()) - left - width;
        bottom = extension.bottom() == 0 ? 0 : up(top + height + extension.bottom()) - top - height;
    }

    private static int up(int pixels) {
        return (pixels + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    }

    /** Returns the picture enlarged. */
    Pixels picture(Pixels picture) {
        Pixels mirrored = picture.mirrored(left, top, right, bottom);
        Pixels soft = Lanczos.resize(
                Lanczos.resize(mirrored, Math.max(1, mirrored.width() / BLUR), Math.max(1, mirrored.height() / BLUR)),
                mirrored.width(),
                mirrored.height());
        byte[] data = soft.data();
        int row = picture.width() * picture.bands();
        for (int y = 0; y < height; y++) {
            System.arraycopy(picture.data(), y * row, data, ((top + y) * soft.width() + left) * picture.bands(), row);
        }
        return soft;
    }

    /**
     * Returns what of the enlarged picture is drawn anew: all that is added, fading out in the old picture, and what was to be anyway.
     *
     * @param mask that of the old picture, in grey, or null
     */
    Pixels mask(@Nullable Pixels mask) {
        Pixels enlarged = Pixels.filled(left + width + right, top + height + bottom, WHITE);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int own = mask == null ? 0 : mask.sample(x, y, 0);
                int fade = Math.max(0, FEATHER - distance(x, y)) * WHITE / FEATHER;
                enlarged.data()[(top + y) * enlarged.width() + left + x] = (byte) Math.max(own, fade);
            }
        }
        return enlarged;
    }

    /** Returns how far a pixel of the old picture is from the nearest new one, 1 for its neighbours, but no more than it matters. */
    private int distance(int x, int y) {
        int nearest = FEATHER;
        nearest = left > 0 ? Math.min(nearest, x + 1) : nearest;
        nearest = top > 0 ? Math.min(nearest, y + 1) : nearest;
        nearest = right > 0 ? Math.min(nearest, width - x) : nearest;
        return bottom > 0 ? Math.min(nearest, height - y) : nearest;
    }
}
