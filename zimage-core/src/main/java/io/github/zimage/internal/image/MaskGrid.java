package io.github.zimage.internal.image;

import io.github.zimage.ImageToImage.MaskCells;
import io.github.zimage.ImageToImage.MaskMode;

/** A mask of latents, each of which stands for a square of pixels. */
public final class MaskGrid {
    private static final float WHITE = 255;
    private static final float HALF = 0.5f;

    private MaskGrid() {}

    /**
     * Returns how much of each latent is drawn anew, from 0 to 1, row by row.
     *
     * @param mask in grey
     * @param scale how many pixels a latent is wide and high
     */
    public static float[] of(Pixels mask, int scale, MaskMode mode, MaskCells cells) {
        int width = mask.width() / scale;
        float[] grid = new float[width * (mask.height() / scale)];
        for (int i = 0; i < grid.length; i++) {
            int x = i % width * scale;
            int y = i / width * scale;
            float light = cells == MaskCells.CORNER ? mask.sample(x, y, 0) : light(mask, x, y, scale, mode);
            float part = light / WHITE;
            grid[i] = mode != MaskMode.BINARY ? part : part < HALF ? 0 : 1;
        }
        return grid;
    }

    private static float light(Pixels mask, int left, int top, int scale, MaskMode mode) {
        int sum = 0;
        int most = 0;
        for (int y = top; y < top + scale; y++) {
            for (int x = left; x < left + scale; x++) {
                sum += mask.sample(x, y, 0);
                most = Math.max(most, mask.sample(x, y, 0));
            }
        }
        return mode == MaskMode.SOFT ? (float) sum / (scale * scale) : most;
    }
}
