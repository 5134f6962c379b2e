package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** What the transformer takes a picture to be. */
final class Prediction {
    private Prediction() {}

    /**
     * Returns {@code x + sigma * v} in the place of v.
     *
     * @param latents x, [C, h, w] fp32
     * @param velocity v, the same shape
     */
    static Tensor picture(Tensor latents, double sigma, Tensor velocity) {
        return velocity.mul_(new Scalar(sigma)).add_(latents);
    }
}
