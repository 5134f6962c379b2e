package io.github.zimage.internal.image;

/**
 * Puts what was drawn into the picture that it started from: as it was where the mask is black, to the byte, and mixed where it is grey.
 *
 * @param base what was there
 * @param mask what of the part was drawn anew, in grey and of the part's size
 * @param box the part of the base that was drawn
 */
public record Overlay(Pixels base, Pixels mask, Box box) {
    private static final int WHITE = 255;

    /** Returns the base with what was drawn, which is resized to the part's size. */
    public Pixels with(Pixels drawn) {
        Pixels part = Lanczos.resize(drawn, box.width(), box.height());
        byte[] result = base.data().clone();
        int bands = base.bands();
        for (int y = 0; y < box.height(); y++) {
            for (int x = 0; x < box.width(); x++) {
                int share = mask.sample(x, y, 0);
                int to = ((box.top() + y) * base.width() + box.left() + x) * bands;
                for (int band = 0; share > 0 && band < bands; band++) {
                    int old = Byte.toUnsignedInt(result[to + band]);
                    int sum = part.sample(x, y, band) * share + old * (WHITE - share);
                    result[to + band] = (byte) ((sum + WHITE / 2) / WHITE);
                }
            }
        }
        return new Pixels(base.width(), base.height(), bands, result);
    }
}
