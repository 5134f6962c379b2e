package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorSource;

/** {@code feed_forward}: {@code w2(silu(w1 x) * w3 x)}. */
final class FeedForward {
    private final Kernels kernels;
    private final Projection w1;
    private final Projection w2;
    private final Projection w3;

    FeedForward(TensorSource weights, String name, Kernels kernels) {
        this.kernels = kernels;
        w1 = kernels.projection(weights, name + ".w1", false);
        w2 = kernels.downProjection(weights, name + ".w2");
        w3 = kernels.projection(weights, name + ".w3", false);
    }

    /** Maps [S, dim] to [S, dim]. */
    Rows forward(Rows x) {
        return w2.forward(kernels.swiglu(w1.forward(x), w3.forward(x)));
    }
}
