package io.github.zimage.internal.weights;

import io.github.zimage.internal.safetensors.TensorEntry;

/**
 * What an adapter adds to a matrix: {@code scale * up * down}. Kept beside the matrix as two
 * further weights.
 *
 * @param down [rank, in] of F32, F16 or BF16
 * @param up [out, rank], likewise
 * @param scale what their product is multiplied by
 */
public record LowRank(TensorEntry down, TensorEntry up, double scale) {

    /** Checks the shapes. */
    public LowRank {
        boolean fit = down.shape().size() == 2
                && up.shape().size() == 2
                && down.shape().get(0).equals(up.shape().get(1));
        if (!fit) {
            throw new IllegalArgumentException(
                    "down and up must be [rank, in] and [out, rank], but were " + down.shape() + " and " + up.shape());
        }
    }

    /** Returns the rank. */
    public int rank() {
        return Math.toIntExact(down.shape().get(0));
    }

    /** Returns how the first factor of what is kept beside a matrix is called: [ranks, in]. */
    public static String down(String matrix) {
        return matrix + ".down";
    }

    /** Returns how the second factor is called, with the scale in it: [out, ranks]. */
    public static String up(String matrix) {
        return matrix + ".up";
    }
}
