package io.github.zimage.internal.vae;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A convolution of stride 1 that keeps height and width. */
final class Conv2d {
    private static final long[] ONE = {1, 1};

    private final Tensor weight;
    private final Tensor bias;
    private final long[] padding;

    Conv2d(WeightStore weights, String name, ScalarType type) {
        weight = weights.getChannelsLast(name + ".weight", type);
        bias = weights.get(name + ".bias", type);
        padding = new long[] {weight.size(2) / 2, weight.size(3) / 2};
    }

    /** Maps [1, in, h, w] of any type to [1, out, h, w] of the convolution's type. */
    Tensor forward(Tensor x) {
        Tensor input = Tensors.cast(x, weight.scalar_type());
        return torch.conv2d(input, weight, new TensorOptional(bias), ONE, padding, ONE, 1);
    }
}
