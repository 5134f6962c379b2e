package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A norm over groups of channels in FP32 that takes the mean away before it squares. LibTorch's own, where the channels are last in memory, sums numbers
 * and their squares one by one: where a group's mean is ten times its deviation, that is off by 5e-5, this by 5e-7.
 */
final class CentredGroupNorm {
    /** So many numbers are squared at a time. */
    private static final long NUMBERS = 1 << 20;

    private static final long[] PIXELS = {2, 3};

    private CentredGroupNorm() {}

    /**
     * Returns {@code group_norm(x) * weight + bias}.
     *
     * @param x [1, C, h, w] of any type
     * @param weight [C] fp32
     * @param bias [C] fp32
     * @return [1, C, h, w] fp32
     */
    static Tensor forward(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
        return Tensors.scoped(() -> {
            Tensor floats = Tensors.cast(x, ScalarType.Float);
            Tensor mean = ofGroups(means(floats, false), groups).to(ScalarType.Float);
            Tensor centred = Tensors.isOf(x, ScalarType.Float) ? x.sub(mean) : floats.sub_(mean);
            Tensor variance = ofGroups(means(centred, true), groups);
            Tensor scale =
                    variance.add(new Scalar(eps)).rsqrt_().to(ScalarType.Float).mul(weight.view(1, -1, 1, 1));
            return centred.mul_(scale).add_(bias.view(1, -1, 1, 1));
        });
    }

    /** Returns for each channel the mean of its numbers, or of their squares: [C] fp64. */
    private static Tensor means(Tensor x, boolean squared) {
        long rows = x.size(2);
        long rowsAtOnce = Math.max(1, NUMBERS / (x.size(1) * x.size(3)));
        Tensor sums = torch.zeros(new long[] {x.size(1)}, new TensorOptions(ScalarType.Double));
        for (long row = 0; row < rows; row += rowsAtOnce) {
            try (PointerScope scope = new PointerScope()) {
                Tensor part = x.narrow(2, row, Math.min(rowsAtOnce, rows - row));
                Tensor numbers = squared ? torch.square(part) : part;
                sums.add_(numbers.sum(PIXELS).squeeze(0).to(ScalarType.Double));
            }
        }
        return sums.div_(new Scalar((double) rows * x.size(3)));
    }

    /** Returns the mean of each group for each of its channels: [1, C, 1, 1]. */
    private static Tensor ofGroups(Tensor channels, int groups) {
        Tensor means = channels.view(groups, -1);
        return means.mean(new long[] {1}, true, new ScalarTypeOptional())
                .expand_as(means)
                .reshape(1, -1, 1, 1);
    }
}
