package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Tensor;

/** The noise of one picture, which depends on nothing but its seed. */
public interface NoiseSource {
    /** Returns the next standard normal noise of its generator, [C, h, w] fp32, where the picture's latents lie. */
    Tensor next();
}
