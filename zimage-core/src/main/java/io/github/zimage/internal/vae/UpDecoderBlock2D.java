package io.github.zimage.internal.vae;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
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
            ScalarType type) {
        for (int i = 0; i < resnetCount; i++) {
            resnets.add(new ResnetBlock2D(weights, name + ".resnets." + i, groups, i == 0 && changesChannels, type));
        }
        upsampler = upsample ? new Conv2d(weights, name + ".upsamplers.0.conv", type) : null;
    }

    /** Maps [1, in, h, w] to [1, out, h, w] or [1, out, 2h, 2w]. */
    Tensor forward(Tensor x, Runnable betweenBlocks) {
        return Tensors.scoped(() -> {
            Tensor hidden = x;
            for (int i = 0; i < resnets.size(); i++) {
                betweenBlocks.run();
                Tensor previous = hidden;
                hidden = resnets.get(i).forward(previous);
                if (i > 0) {
                    previous.close();
                }
            }
            return upsampler == null ? hidden : upsampler.forward(doubled(hidden));
        });
    }

    private static Tensor doubled(Tensor x) {
        long[] size = {2 * x.size(2), 2 * x.size(3)};
        return torch.upsample_nearest2d(x, size, new DoubleOptional(), new DoubleOptional());
    }
}
