package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorSource;
import java.util.List;

/** {@code feed_forward}: {@code w2(silu(w1 x) * w3 x)}. */
final class FeedForward {
    private final Kernels kernels;
    private final JointProjection w1w3;
    private final Projection w2;

    FeedForward(TensorSource weights, String name, Kernels kernels) {
        this.kernels = kernels;
        w1w3 = kernels.jointProjection(weights, List.of(name + ".w1", name + ".w3"), false);
        w2 = kernels.downProjection(weights, name + ".w2");
    }

    /** Maps [S, dim] to [S, dim]. */
    Rows forward(Rows x, BlockAdditions additions) {
        List<Rows> gateAndUp = w1w3.with(additions.w1w3()).forward(x);
        return w2.with(additions.w2()).forward(kernels.swiglu(gateAndUp.get(0), gateAndUp.get(1)));
    }
}
