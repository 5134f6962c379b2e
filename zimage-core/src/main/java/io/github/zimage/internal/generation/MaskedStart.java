package io.github.zimage.internal.generation;

import io.github.zimage.internal.schedule.Step;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * A picture that is drawn anew in part: after each step, the rest is put back at the noise level that it led to. Where the mask is 0, the last
 * latents are the original's, to the bit.
 *
 * @param picture what is put back
 * @param painted how much of each latent is drawn anew, [1, h, w] fp32 from 0 to 1
 * @param firstSigma the noise level that it starts at
 */
record MaskedStart(NoisedPicture picture, Tensor painted, Tensor kept, float firstSigma)
        implements InitialLatents.Start {
    MaskedStart(NoisedPicture picture, Tensor painted, float firstSigma) {
        this(picture, painted, painted.neg().add_(new Scalar(1.0)), firstSigma);
    }

    @Override
    public Tensor latents() {
        return picture.at(firstSigma);
    }

    @Override
    public void afterStep(Step step, Tensor latents) {
        try (PointerScope scope = new PointerScope()) {
            latents.mul_(painted).add_(picture.at(step.nextSigma()).mul_(kept));
        }
    }
}
