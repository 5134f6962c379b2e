package io.github.zimage.internal.vae;

import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;

/**
 * What the encoder makes of a picture: a normal distribution of each latent, on the Java heap.
 *
 * @param channels the latents' channels C
 * @param height the latents' rows h
 * @param width the latents' columns w
 * @param mean [C, h, w]
 * @param deviation [C, h, w]
 */
@SuppressWarnings("ArrayRecordComponent") // carries arrays from one phase to the next; never compared
public record Moments(int channels, int height, int width, float[] mean, float[] deviation) {
    private static final double LEAST_LOG_VARIANCE = -30;
    private static final double MOST_LOG_VARIANCE = 20;

    /** Reads what the encoder gave, [1, 2 * C, h, w]: means, then logarithms of variances. */
    static Moments of(Tensor encoded) {
        return read(encoded.squeeze(0));
    }

    private static Moments read(Tensor encoded) {
        long channels = encoded.size(0) / 2;
        Tensor deviation = encoded.narrow(0, channels, channels)
                .clamp(
                        new ScalarOptional(new Scalar(LEAST_LOG_VARIANCE)),
                        new ScalarOptional(new Scalar(MOST_LOG_VARIANCE)))
                .mul_(new Scalar(0.5))
                .exp_();
        return new Moments(
                Math.toIntExact(channels),
                Math.toIntExact(encoded.size(1)),
                Math.toIntExact(encoded.size(2)),
                Tensors.toFloats(encoded.narrow(0, 0, channels)),
                Tensors.toFloats(deviation));
    }

    /**
     * Returns the likeliest latents, as the transformer takes them: [C, h, w] fp32.
     *
     * @param place where they shall be
     */
    public Tensor mode(VaeConfig config, TensorPlace place) {
        return Tensors.scoped(() -> scaled(config, place.of(mean, channels, height, width)));
    }

    /**
     * Returns latents of the distribution, as the transformer takes them: [C, h, w] fp32.
     *
     * @param noise standard normal, [C, h, w] fp32
     * @param place where that is and the latents shall be
     */
    public Tensor sample(VaeConfig config, Tensor noise, TensorPlace place) {
        return Tensors.scoped(() -> scaled(
                config,
                place.of(deviation, channels, height, width)
                        .mul_(noise)
                        .add_(place.of(mean, channels, height, width))));
    }

    private static Tensor scaled(VaeConfig config, Tensor raw) {
        return raw.sub(new Scalar(config.shiftFactor())).mul_(new Scalar(config.scalingFactor()));
    }
}
