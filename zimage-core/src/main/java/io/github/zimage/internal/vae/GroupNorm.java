package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
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
    private final Kernels kernels;

    GroupNorm(WeightStore weights, String name, int groups, ScalarType type, Kernels kernels) {
        this.kernels = kernels;
        this.groups = groups;
        weight = weights.get(name + ".weight", type);
        bias = weights.get(name + ".bias", type);
    }

    /** Maps [1, C, h, w] of any type to [1, C, h, w] of the norm's type. */
    Tensor forward(Tensor x) {
        return kernels.groupNorm(x, weight, bias, groups, EPS);
    }

    /** As {@link #forward}, followed by SiLU. */
    Tensor forwardSilu(Tensor x) {
        return kernels.groupNormSilu(x, weight, bias, groups, EPS);
    }

    /** Returns statistics without any rows yet. */
    GroupStatistics noStatistics() {
        return new GroupStatistics(groups, EPS);
    }

    /** Adds rows to statistics. */
    void observe(GroupStatistics statistics, Tensor rows) {
        try (PointerScope scope = new PointerScope()) {
            statistics.add(rows, Tensors.cast(weight, ScalarType.Float));
        }
    }

    /** Returns the statistics of a whole picture, taken strip by strip. */
    GroupStatistics statistics(RowSource x, List<Strip> strips, Runnable betweenStrips) {
        GroupStatistics statistics = noStatistics();
        for (Strip strip : strips) {
            betweenStrips.run();
            try (PointerScope scope = new PointerScope()) {
                observe(statistics, x.rows(strip));
            }
        }
        return statistics;
    }

    /** Returns {@link #forwardSilu} for any rows of the picture that the statistics are of. Lives as long as the current scope. */
    UnaryOperator<Tensor> siluWith(GroupStatistics statistics) {
        int channels = Math.toIntExact(weight.size(0));
        TensorOptional scale = new TensorOptional(Tensors.cast(weight, ScalarType.Float));
        TensorOptional shift = new TensorOptional(Tensors.cast(bias, ScalarType.Float));
        TensorOptional mean = new TensorOptional(kernels.place().of(statistics.meanOfChannels(channels), channels));
        TensorOptional variance =
                new TensorOptional(kernels.place().of(statistics.varianceOfChannels(channels), channels));
        return rows -> torch.silu_(Tensors.scoped(() -> torch.batch_norm(
                Tensors.cast(rows, weight.scalar_type()), scale, shift, mean, variance, false, 0, EPS, false)));
    }
}
