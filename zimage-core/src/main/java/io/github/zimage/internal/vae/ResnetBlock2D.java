package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Two convolutions, each behind a norm and SiLU, with a way around them. */
final class ResnetBlock2D {
    private final GroupNorm norm1;
    private final Conv2d conv1;
    private final GroupNorm norm2;
    private final Conv2d conv2;
    private final @Nullable Conv2d convShortcut;

    ResnetBlock2D(WeightStore weights, String name, int groups, boolean shortcut, Kernels kernels) {
        ScalarType type = kernels.type();
        norm1 = new GroupNorm(weights, name + ".norm1", groups, type, kernels);
        conv1 = new Conv2d(weights, name + ".conv1", type, kernels);
        norm2 = new GroupNorm(weights, name + ".norm2", groups, type, kernels);
        conv2 = new Conv2d(weights, name + ".conv2", type, kernels);
        convShortcut = shortcut ? new Conv2d(weights, name + ".conv_shortcut", type, kernels) : null;
    }

    /** Maps [1, in, h, w] to [1, out, h, w]. */
    Tensor forward(Tensor x) {
        return Tensors.scoped(() -> {
            Tensor hidden = Tensors.scoped(() -> conv1.forward(norm1.forwardSilu(x)));
            Tensor result = Tensors.scoped(() -> conv2.forward(norm2.forwardSilu(hidden)));
            return result.add_(around(x));
        });
    }

    /** As {@link #forward}, strip by strip: needs room for the result and little more. */
    Tensor forward(RowSource x, long rowsAtOnce, Runnable betweenStrips) {
        return Tensors.scoped(() -> {
            List<Strip> strips = Strip.cut(x.height(), rowsAtOnce);
            Tensor hidden = conv1.emptyOutput(x.height(), x.width());
            UnaryOperator<Tensor> silu1 = norm1.siluWith(norm1.statistics(x, strips, betweenStrips));
            GroupStatistics statistics = norm2.noStatistics();
            for (Strip strip : strips) {
                betweenStrips.run();
                try (PointerScope scope = new PointerScope()) {
                    Tensor rows = conv1.forward(silu1.apply(x.rows(strip.widened())), strip);
                    strip.of(hidden).copy_(rows);
                    norm2.observe(statistics, rows);
                }
            }
            finish(hidden, norm2.siluWith(statistics), x, strips, betweenStrips);
            return hidden;
        });
    }

    /** Replaces what the first convolution gave by the block's result. */
    private void finish(
            Tensor hidden, UnaryOperator<Tensor> silu2, RowSource x, List<Strip> strips, Runnable betweenStrips) {
        Tensor above = hidden.narrow(2, 0, 1).clone(); // the row above the strip, as it was before it was replaced
        for (Strip strip : strips) {
            betweenStrips.run();
            try (PointerScope scope = new PointerScope()) {
                Tensor here = new Strip(strip.from(), strip.widened().to(), strip.height()).of(hidden);
                Tensor seen = strip.hasAbove() ? torch.cat(new TensorVector(above, here), 2) : here;
                Tensor rows = conv2.forward(silu2.apply(seen), strip).add_(around(x.rows(strip)));
                above.copy_(hidden.narrow(2, strip.to() - 1, 1));
                strip.of(hidden).copy_(rows);
            }
        }
    }

    private Tensor around(Tensor x) {
        return convShortcut == null ? x : convShortcut.forward(x);
    }
}
