package io.github.zimage.internal.image;

/** The part of a picture that is drawn around a mask: diffusers' {@code VaeImageProcessor.get_crop_region}. */
final class MaskRegion {
    private MaskRegion() {}

    /**
     * Returns what a mask covers and so much around it, grown to the shape of what is drawn as far as the picture reaches.
     *
     * @param mask in grey, not black everywhere
     */
    static Box of(Pixels mask, int padding, int width, int height) {
        Box covered = covered(mask);
        int left = Math.max(covered.left() - padding, 0);
        int top = Math.max(covered.top() - padding, 0);
        int right = Math.min(covered.right() + padding, mask.width());
        int bottom = Math.min(covered.bottom() + padding, mask.height());
        double wanted = (double) width / height;
        if ((double) (right - left) / (bottom - top) > wanted) {
            int[] rows = grown(top, bottom, (int) ((right - left) / wanted - (bottom - top)), mask.height());
            return new Box(left, rows[0], right, rows[1]);
        }
        int[] columns = grown(left, right, (int) ((bottom - top) * wanted - (right - left)), mask.width());
        return new Box(columns[0], top, columns[1], bottom);
    }

    /** Grows a range on both sides, then moves it so that it begins and ends in the picture, and cuts off the rest. */
    private static int[] grown(int from, int to, int more, int size) {
        int start = from - more / 2;
        int end = to + more - more / 2;
        if (end >= size) {
            start -= end - size;
            end = size;
        }
        if (start < 0) {
            end -= start;
            start = 0;
        }
        return new int[] {start, Math.min(end, size)};
    }

    private static Box covered(Pixels mask) {
        int left = mask.width();
        int top = mask.height();
        int right = 0;
        int bottom = 0;
        for (int y = 0; y < mask.height(); y++) {
            for (int x = 0; x < mask.width(); x++) {
                if (mask.sample(x, y, 0) != 0) {
                    left = Math.min(left, x);
                    top = Math.min(top, y);
                    right = Math.max(right, x + 1);
                    bottom = y + 1;
                }
            }
        }
        if (right == 0) {
            throw new IllegalArgumentException("a mask must have white, but this is black everywhere");
        }
        return new Box(left, top, right, bottom);
    }
}
