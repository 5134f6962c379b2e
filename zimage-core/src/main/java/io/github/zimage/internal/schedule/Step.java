package io.github.zimage.internal.schedule;

/**
 * A step from one noise level to the next.
 *
 * @param index its number, from 0
 * @param count how many there are
 * @param sigma the noise level that it begins at, from 1 (noise) to 0 (picture)
 * @param nextSigma the noise level that it leads to; 0 of the last
 * @param timestep what the transformer is told of {@code sigma}, from 0 (noise) to 1 (picture)
 */
public record Step(int index, int count, float sigma, float nextSigma, float timestep) {
    /** Returns its number, from 1. */
    public int number() {
        return index + 1;
    }

    /** Returns whether it leads to the picture. */
    public boolean isLast() {
        return index + 1 == count;
    }
}
