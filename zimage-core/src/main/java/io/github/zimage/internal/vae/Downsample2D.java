package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** {@code downsamplers.0}: a convolution of 3 by 3 and stride 2, with zeros on the right and at the bottom only. */
final class Downsample2D {
    private static final int STRIDE = 2;
    private static final long[] NONE = {0, 0};

    private final Kernels kernels;
    private final Tensor weight;
    private final Tensor bias;

    Downsample2D(WeightStore weights, String name, Kernels kernels) {
        this.kernels = kernels;
        weight = weights.getChannelsLast(name + ".conv.weight", kernels.type());
        bias = weights.get(name + ".conv.bias", kernels.type());
    }

    /** Maps [1, C, h, w], both even, to [1, C, h/2, w/2]. */
    Tensor forward(Tensor x) {
        return convolved(x, 1);
    }

    /** As {@link #forward}, strip by strip. */
    Tensor forward(RowSource x, long rowsAtOnce, Runnable betweenStrips) {
        Tensor small = kernels.place()
                .empty(weight.scalar_type(), 1, x.height() / STRIDE, x.width() / STRIDE, weight.size(0))
                .permute(0, 3, 1, 2);
        for (Strip strip : Strip.cut(x.height() / STRIDE, rowsAtOnce)) {
            betweenStrips.run();
            try (PointerScope scope = new PointerScope()) {
                // A result looks at its two rows and the one below, which the last has not.
                long end = Math.min(STRIDE * strip.to() + 1, x.height());
                Tensor seen = x.rows(new Strip(STRIDE * strip.from(), end, x.height()));
                strip.of(small).copy_(convolved(seen, strip.hasBelow() ? 0 : 1));
            }
        }
        return small;
    }

    private Tensor convolved(Tensor x, long rowsBelow) {
        return Tensors.scoped(() -> {
            Tensor padded = torch.constant_pad_nd(x, new long[] {0, 1, 0, rowsBelow}, new Scalar(0.0));
            return kernels.conv2d(padded, weight, bias, STRIDE, NONE);
        });
    }
}
