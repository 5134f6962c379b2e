package io.github.zimage.internal.transformer;

import io.github.zimage.Nag;

/**
 * What a picture shall not show, by what its tokens see in the attention of the main blocks.
 *
 * @param caption at least as long as that of what it shall show, and ending at the same position, so that the picture's tokens stand
 *     behind either
 * @param nag how much it counts
 * @param lastTimestep the last timestep, from 0 (noise) to 1 (picture), at which it does
 */
public record Avoided(Caption caption, Nag nag, float lastTimestep) {

    /** Returns what a picture shall avoid as long as there is so much noise as {@link Nag#LEAST_SIGMA}. */
    public static Avoided of(Caption caption, Nag nag) {
        return new Avoided(caption, nag, (float) (1 - Nag.LEAST_SIGMA));
    }

    /** Returns whether it acts at a timestep, from 0 (noise) to 1 (picture). */
    public boolean actsAt(float timestep) {
        return timestep <= lastTimestep;
    }
}
