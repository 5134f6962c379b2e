package io.github.zimage.internal.generation;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.runtime.Tensors;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Colours of latents without a VAE: a linear map, a pixel for each. Latents of each VAE mean other colours: the factors are those that the
 * checkpoint says, or else, for the VAE of Flux, which is Z-Image's, those that programs share for it.
 */
final class LatentColours {
    /** For each channel of the latents, as the transformer sees them, what it adds to red, green and blue between -1 and 1. */
    private static final float[] FLUX_FACTORS = {
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

    private static final float[] FLUX_BIAS = {0.024600f, -0.006937f, -0.008089f};
    private static final int FLUX_CHANNELS = 16;
    private static final double FLUX_SCALE = 0.3611;
    private static final double FLUX_SHIFT = 0.1159;
    private static final double HALF_RANGE = 127.5;
    private static final double LARGEST = 255;

    /** [C, 3] row by row. */
    private final float[] factors;
    /** [3] */
    private final float[] bias;

    private LatentColours(float[] factors, float[] bias) {
        this.factors = factors;
        this.bias = bias;
    }

    /** Returns the colours of a VAE's latents, or null if they are not known. */
    static @Nullable LatentColours of(VaeConfig vae) {
        List<Float> own = vae.latentColours();
        if (!own.isEmpty()) {
            float[] all = new float[own.size()];
            for (int i = 0; i < all.length; i++) {
                all[i] = own.get(i);
            }
            int factors = all.length - FLUX_BIAS.length;
            return new LatentColours(Arrays.copyOf(all, factors), Arrays.copyOfRange(all, factors, all.length));
        }
        boolean flux = vae.latentChannels() == FLUX_CHANNELS
                && vae.scalingFactor() == FLUX_SCALE
                && vae.shiftFactor() == FLUX_SHIFT;
        return flux ? new LatentColours(FLUX_FACTORS, FLUX_BIAS) : null;
    }

    /**
     * Returns colours.
     *
     * @param latents [C, h, w] fp32, on the CPU
     * @return [h, w, 3] bytes
     */
    Tensor rgb(Tensor latents) {
        return Tensors.scoped(() -> {
            Tensor rgb = torch.matmul(
                            latents.permute(1, 2, 0),
                            Tensors.of(factors, factors.length / bias.length, bias.length)) // [h, w, 3]
                    .add_(Tensors.of(bias, bias.length));
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
