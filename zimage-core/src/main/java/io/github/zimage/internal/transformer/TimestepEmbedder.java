package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TransformerConfig;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code t_embedder}: sinusoids of the timestep through two linear layers. Computes in FP32. */
final class TimestepEmbedder {
    private static final double MAX_PERIOD = 10_000;

    private final Linear mlp0;
    private final Linear mlp2;

    TimestepEmbedder(WeightStore weights) {
        mlp0 = Linear.load(weights, "t_embedder.mlp.0", true, ScalarType.Float);
        mlp2 = Linear.load(weights, "t_embedder.mlp.2", true, ScalarType.Float);
    }

    /**
     * Embeds scaled timesteps.
     *
     * @param timesteps one a step, from 0 to {@code t_scale}
     * @return [steps, adaLnDim] fp32
     */
    Tensor forward(float[] timesteps) {
        return mlp2.forward(torch.silu(mlp0.forward(timestepEmbedding(timesteps))));
    }

    /** Rounds where diffusers' {@code TimestepEmbedder.timestep_embedding} does: angles reach 1000, and FP32 shows there. */
    private static Tensor timestepEmbedding(float[] timesteps) {
        int half = TransformerConfig.TIMESTEP_DIM / 2;
        float[] index = new float[half];
        for (int i = 0; i < half; i++) {
            index[i] = i;
        }
        Tensor exponent =
                Tensors.of(index, half).mul_(new Scalar(-Math.log(MAX_PERIOD))).div_(new Scalar((double) half));
        Tensor frequencies = exponent.exp();
        Tensor angles = Tensors.of(timesteps, timesteps.length, 1).mul(frequencies.unsqueeze(0)); // [steps, half]
        return torch.cat(new TensorVector(angles.cos(), angles.sin()), -1); // [steps, 2 * half]
    }
}
