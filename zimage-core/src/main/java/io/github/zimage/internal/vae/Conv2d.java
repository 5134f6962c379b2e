package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A convolution of stride 1 that keeps height and width. */
final class Conv2d {
    private final Kernels kernels;
    private final Tensor weight;
    private final Tensor bias;
    private final long[] padding;

    Conv2d(WeightStore weights, String name, ScalarType type, Kernels kernels) {
        this.kernels = kernels;
        weight = weights.getChannelsLast(name + ".weight", type);
        bias = weights.get(name + ".bias", type);
        padding = new long[] {weight.size(2) / 2, weight.size(3) / 2};
    }

    /** Maps [1, in, h, w] of any type to [1, out, h, w] of the convolution's type. */
    Tensor forward(Tensor x) {
        return convolved(x, padding);
    }

    /**
     * Computes some rows of what {@link #forward} gives for the whole picture, for a kernel of 3 by 3.
     *
     * @param x [1, in, strip.widened().rows(), w], the rows that these depend on
     * @return [1, out, strip.rows(), w]
     */
    Tensor forward(Tensor x, Strip strip) {
        if (strip.hasAbove() && strip.hasBelow()) {
            return convolved(x, new long[] {0, padding[1]});
        }
        return convolved(x, padding).narrow(2, strip.hasAbove() ? 1 : 0, strip.rows());
    }

    private Tensor convolved(Tensor x, long[] zeros) {
        Tensor input = Tensors.cast(x, weight.scalar_type());
        return kernels.conv2d(input, weight, bias, 1, zeros);
    }

    /** Returns a tensor [1, out, h, w] for this convolution's output, with arbitrary content and the channels last in memory. */
    Tensor emptyOutput(long height, long width) {
        return kernels.place()
                .empty(weight.scalar_type(), 1, height, width, weight.size(0))
                .permute(0, 3, 1, 2);
    }
}
