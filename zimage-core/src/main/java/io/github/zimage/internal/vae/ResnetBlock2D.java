package io.github.zimage.internal.vae;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Two convolutions, each behind a norm and SiLU, with a way around them. */
final class ResnetBlock2D {
    private final GroupNorm norm1;
    private final Conv2d conv1;
    private final GroupNorm norm2;
    private final Conv2d conv2;
    private final @Nullable Conv2d convShortcut;

    ResnetBlock2D(WeightStore weights, String name, int groups, boolean shortcut, ScalarType type) {
        norm1 = new GroupNorm(weights, name + ".norm1", groups, type);
        conv1 = new Conv2d(weights, name + ".conv1", type);
        norm2 = new GroupNorm(weights, name + ".norm2", groups, type);
        conv2 = new Conv2d(weights, name + ".conv2", type);
        convShortcut = shortcut ? new Conv2d(weights, name + ".conv_shortcut", type) : null;
    }

    /** Maps [1, in, h, w] to [1, out, h, w]. */
    Tensor forward(Tensor x) {
        return Tensors.scoped(() -> {
            Tensor hidden = Tensors.scoped(() -> conv1.forward(norm1.forwardSilu(x)));
            Tensor result = Tensors.scoped(() -> conv2.forward(norm2.forwardSilu(hidden)));
            return result.add_(convShortcut == null ? x : convShortcut.forward(x));
        });
    }
}
