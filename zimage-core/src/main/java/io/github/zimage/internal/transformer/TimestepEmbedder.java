package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code t_embedder}: sinusoids of the timestep through two linear layers. Computes in FP32. */
final class TimestepEmbedder {
    private static final double MAX_PERIOD = 10_000;

    private final TensorPlace place;
    private final Linear mlp0;
    private final Linear mlp2;

    TimestepEmbedder(TensorSource weights) {
        place = weights.place();
        mlp0 = Linear.load(weights, "t_embedder.mlp.0", true, ScalarType.Float);
        mlp2 = Linear.load(weights, "t_embedder.mlp.2", true, ScalarType.Float);
    }

    /**
     * Embeds scaled timesteps.
     *
     * @param timesteps one a step, from 0 to {@code t_scale}
     * @return [steps, adaLnDim] fp32
     */
    Tensor forward(float[] timesteps, TransformerAdditions additions) {
        Tensor hidden = mlp0.forward(place.take(timestepEmbedding(timesteps)), additions.timestep0());
        return mlp2.forward(torch.silu(hidden), additions.timestep2());
    }

    /**
     * Rounds to FP32 where diffusers' {@code TimestepEmbedder.timestep_embedding} does: angles reach 1000, and it shows there. Only
     * the exponential is rounded once, as the libraries that differ in its last bit all try to.
     */
    private static Tensor timestepEmbedding(float[] timesteps) {
        int half = TransformerConfig.TIMESTEP_DIM / 2;
        float[] angles = new float[timesteps.length * half];
        for (int i = 0; i < half; i++) {
            float exponent = (float) -Math.log(MAX_PERIOD) * i / half;
            float frequency = (float) Math.exp(exponent);
            for (int step = 0; step < timesteps.length; step++) {
                angles[step * half + i] = timesteps[step] * frequency;
            }
        }
        Tensor angle = Tensors.of(angles, timesteps.length, half);
        return torch.cat(new TensorVector(angle.cos(), angle.sin()), -1); // [steps, 2 * half]
    }
}
