package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** A level of the encoder: residual blocks, then, but for the last level, half the height and width. */
final class DownEncoderBlock2D {
    private final List<ResnetBlock2D> resnets = new ArrayList<>();
    private final @Nullable Downsample2D downsampler;

    DownEncoderBlock2D(
            WeightStore weights,
            String name,
            int resnetCount,
            boolean changesChannels,
            boolean downsample,
            int groups,
            Kernels kernels) {
        for (int i = 0; i < resnetCount; i++) {
            resnets.add(new ResnetBlock2D(weights, name + ".resnets." + i, groups, i == 0 && changesChannels, kernels));
        }
        downsampler = downsample ? new Downsample2D(weights, name + ".downsamplers.0", kernels) : null;
    }

    /** Maps [1, in, h, w], which is closed, to [1, out, h, w] or [1, out, h/2, w/2]. */
    Tensor forward(Tensor x, Runnable betweenBlocks) {
        Tensor hidden = x;
        for (ResnetBlock2D resnet : resnets) {
            betweenBlocks.run();
            Tensor previous = hidden;
            hidden = resnet.forward(previous);
            previous.close();
        }
        if (downsampler == null) {
            return hidden;
        }
        Tensor small = downsampler.forward(hidden);
        hidden.close();
        return small;
    }

    /** As {@link #forward(Tensor, Runnable)}, strip by strip. */
    Tensor forward(RowSource x, long rowsAtOnce, Runnable betweenStrips) {
        RowSource previous = x;
        Tensor hidden = null;
        for (ResnetBlock2D resnet : resnets) {
            hidden = resnet.forward(previous, rowsAtOnce, betweenStrips);
            previous.close();
            previous = RowSource.of(hidden);
        }
        if (hidden == null) {
            throw new IllegalStateException("a level has at least one residual block");
        }
        if (downsampler == null) {
            return hidden;
        }
        Tensor small = downsampler.forward(previous, rowsAtOnce, betweenStrips);
        previous.close();
        return small;
    }
}
