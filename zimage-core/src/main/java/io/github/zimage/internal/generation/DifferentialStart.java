package io.github.zimage.internal.generation;

import io.github.zimage.internal.schedule.Step;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A picture of which each part is let go at a step of its own: differential diffusion, as in the community's
 * {@code pipeline_z_image_differential_img2img.py}. Of K steps, after step i (from 0) what is darker than {@code 1 - i / K} is put back; after the last only what is
 * black, whose latents so are the original's, to the bit.
 *
 * @param picture what is put back
 * @param darkness [1, h, w] fp32 from 0 (white, drawn from the start) to 1 (black, never drawn)
 * @param firstSigma the noise level that it starts at
 */
record DifferentialStart(NoisedPicture picture, Tensor darkness, float firstSigma) implements InitialLatents.Start {
    /** Takes the mask, 1 where it is white. */
    static DifferentialStart of(NoisedPicture picture, Tensor painted, float firstSigma) {
        return new DifferentialStart(picture, painted.neg().add_(new Scalar(1.0)), firstSigma);
    }

    @Override
    public Tensor latents() {
        return picture.at(firstSigma);
    }

    @Override
    public void afterStep(Step step, Tensor latents) {
        try (PointerScope scope = new PointerScope()) {
            Tensor kept = step.isLast()
                    ? darkness.ge(new Scalar(1.0))
                    : darkness.gt(new Scalar((float) step.index() / step.count()));
            latents.copy_(torch.where(kept, picture.at(step.nextSigma()), latents));
        }
    }
}
