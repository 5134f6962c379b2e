package io.github.zimage.internal.vae;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A norm over groups of channels. */
final class GroupNorm {
    private static final double EPS = 1e-6;

    private final Tensor weight;
    private final Tensor bias;
    private final int groups;

    GroupNorm(WeightStore weights, String name, int groups, ScalarType type) {
        this.groups = groups;
        weight = weights.get(name + ".weight", type);
        bias = weights.get(name + ".bias", type);
    }

    /** Maps [1, C, h, w] of any type to [1, C, h, w] of the norm's type. */
    Tensor forward(Tensor x) {
        return Tensors.scoped(() -> torch.group_norm(
                Tensors.cast(x, weight.scalar_type()),
                groups,
                new TensorOptional(weight),
                new TensorOptional(bias),
                EPS,
                false));
    }

    /** As {@link #forward}, followed by SiLU. */
    Tensor forwardSilu(Tensor x) {
        return torch.silu_(forward(x));
    }
}
