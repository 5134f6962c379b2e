package io.github.zimage.internal.generation;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Colours of latents without a VAE: a linear map, a pixel for each. Its factors are those that programs share for the VAE of Flux, which is
 * Z-Image's; latents of another VAE mean other colours.
 */
final class LatentColours {
    /** For each channel of the latents, as the transformer sees them, what it adds to red, green and blue between -1 and 1. */
    private static final float[] FACTORS = {
        -0.041168f,
        0.019917f,
        0.097253f,
        0.028096f,
        0.026730f,
        0.129576f,
        0.065618f,
        -0.067950f,
        -0.014651f,
        -0.012998f,
        -0.014762f,
        0.081251f,
        0.078567f,
        0.059296f,
        -0.024687f,
        -0.015987f,
        -0.003697f,
        0.005012f,
        0.033605f,
        0.138999f,
        0.068517f,
        -0.024450f,
        -0.063567f,
        -0.030101f,
        -0.040194f,
        -0.016710f,
        0.127185f,
        0.112681f,
        0.088764f,
        -0.041940f,
        -0.023498f,
        0.093664f,
        0.025543f,
        0.082899f,
        0.048320f,
        0.007491f,
        0.075712f,
        0.074139f,
        0.081965f,
        -0.143501f,
        0.018263f,
        -0.136138f,
        -0.025767f,
        -0.082035f,
        -0.040023f,
        -0.111849f,
        -0.055589f,
        -0.032361f
    };

    private static final float[] BIAS = {0.024600f, -0.006937f, -0.008089f};
    private static final int CHANNELS = 16;
    private static final double FLUX_SCALE = 0.3611;
    private static final double FLUX_SHIFT = 0.1159;
    private static final double HALF_RANGE = 127.5;
    private static final double LARGEST = 255;

    private LatentColours() {}

    /** Returns whether a VAE's latents are those that the factors are for. */
    static boolean fit(VaeConfig vae) {
        return vae.latentChannels() == CHANNELS && vae.scalingFactor() == FLUX_SCALE && vae.shiftFactor() == FLUX_SHIFT;
    }

    /**
     * Returns colours.
     *
     * @param latents [16, h, w] fp32, on the CPU
     * @return [h, w, 3] bytes
     */
    static Tensor of(Tensor latents) {
        return Tensors.scoped(() -> {
            Tensor rgb = torch.matmul(latents.permute(1, 2, 0), Tensors.of(FACTORS, CHANNELS, 3)) // [h, w, 3]
                    .add_(Tensors.of(BIAS, 3));
            return rgb.add_(new Scalar(1.0))
                    .mul_(new Scalar(HALF_RANGE))
                    .round_()
                    .clamp_min_(new Scalar(0.0))
                    .clamp_max_(new Scalar(LARGEST))
                    .to(ScalarType.Byte)
                    .contiguous();
        });
    }
}
