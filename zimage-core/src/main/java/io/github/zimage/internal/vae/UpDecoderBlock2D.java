package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** A level of the decoder: residual blocks, then, but for the last level, twice the height and width. */
final class UpDecoderBlock2D {
    private final List<ResnetBlock2D> resnets = new ArrayList<>();
    private final @Nullable Conv2d upsampler;

    UpDecoderBlock2D(
            WeightStore weights,
            String name,
            int resnetCount,
            boolean changesChannels,
            boolean upsample,
            int groups,
            Kernels kernels) {
        for (int i = 0; i < resnetCount; i++) {
            resnets.add(new ResnetBlock2D(weights, name + ".resnets." + i, groups, i == 0 && changesChannels, kernels));
        }
        upsampler = upsample ? new Conv2d(weights, name + ".upsamplers.0.conv", kernels.type(), kernels) : null;
    }

    /** Maps [1, in, h, w], which is closed, to [1, out, h, w] or [1, out, 2h, 2w]. */
    Tensor forward(Tensor x, Runnable betweenBlocks) {
        Tensor hidden = x;
        for (ResnetBlock2D resnet : resnets) {
            betweenBlocks.run();
            Tensor previous = hidden;
            hidden = resnet.forward(previous);
            previous.close();
        }
        if (upsampler == null) {
            return hidden;
        }
        Tensor small = hidden;
        Tensor large = Tensors.scoped(() -> upsampler.forward(doubled(small)));
        small.close();
        return large;
    }

    /** The residual blocks strip by strip: maps [1, in, h, w], which is closed, to [1, out, h, w]. */
    RowSource residual(RowSource x, long rowsAtOnce, Runnable betweenStrips) {
        RowSource hidden = x;
        for (ResnetBlock2D resnet : resnets) {
            RowSource previous = hidden;
            hidden = RowSource.of(resnet.forward(previous, rowsAtOnce, betweenStrips));
            previous.close();
        }
        return hidden;
    }

    /** Twice the height and width strip by strip: maps [1, C, h, w], which is closed, to [1, C, 2h, 2w]. */
    RowSource upsampled(RowSource small, long rowsAtOnce, Runnable betweenStrips) {
        RowSource rows = upsampledRows(small);
        Tensor large = requireUpsampler().emptyOutput(rows.height(), rows.width());
        for (Strip strip : Strip.cut(rows.height(), rowsAtOnce)) {
            betweenStrips.run();
            try (PointerScope scope = new PointerScope()) {
                strip.of(large).copy_(rows.rows(strip));
            }
        }
        rows.close();
        return RowSource.of(large);
    }

    /** As {@link #upsampled}, computing rows when they are asked for, each time again. */
    RowSource upsampledRows(RowSource small) {
        Conv2d conv = requireUpsampler();
        return new RowSource() {
            @Override
            public long height() {
                return 2 * small.height();
            }

            @Override
            public long width() {
                return 2 * small.width();
            }

            @Override
            public Tensor rows(Strip strip) {
                Strip seen = strip.widened();
                Strip source = new Strip(seen.from() / 2, (seen.to() + 1) / 2, small.height());
                return Tensors.scoped(() -> conv.forward(
                        doubled(small.rows(source)).narrow(2, seen.from() - 2 * source.from(), seen.rows()), strip));
            }

            @Override
            public void close() {
                small.close();
            }
        };
    }

    private Conv2d requireUpsampler() {
        if (upsampler == null) {
            throw new IllegalStateException("the last level has no upsampler");
        }
        return upsampler;
    }

    private static Tensor doubled(Tensor x) {
        long[] size = {2 * x.size(2), 2 * x.size(3)};
        return torch.upsample_nearest2d(x, size, new DoubleOptional(), new DoubleOptional());
    }
}
