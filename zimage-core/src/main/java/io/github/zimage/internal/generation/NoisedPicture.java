package io.github.zimage.internal.generation;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The latents of a picture at any noise level, always with the same noise.
 *
 * @param original without noise, [C, h, w] fp32
 * @param noise standard normal, likewise
 */
record NoisedPicture(Tensor original, Tensor noise) {
    /** Returns {@code sigma * noise + (1 - sigma) * original}, as diffusers' {@code scale_noise}: [C, h, w] fp32. */
    Tensor at(float sigma) {
        return Tensors.scoped(() -> noise.mul(new Scalar(sigma)).add_(original.mul(new Scalar(1 - sigma))));
    }
}
