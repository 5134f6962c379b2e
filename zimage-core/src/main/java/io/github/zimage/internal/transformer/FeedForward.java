package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;

/** {@code feed_forward}: {@code w2(silu(w1 x) * w3 x)}. */
final class FeedForward {
    private final Kernels kernels;
    private final Linear w1;
    private final Linear w2;
    private final Linear w3;

    FeedForward(TensorSource weights, String name, Kernels kernels) {
        this.kernels = kernels;
        w1 = Linear.load(weights, name + ".w1", false, kernels.type());
        w2 = Linear.load(weights, name + ".w2", false, kernels.type());
        w3 = Linear.load(weights, name + ".w3", false, kernels.type());
    }

    /** Maps [S, dim] to [S, dim]. */
    Tensor forward(Tensor x) {
        return Tensors.scoped(() -> w2.forward(kernels.swiglu(w1.forward(x), w3.forward(x))));
    }
}
