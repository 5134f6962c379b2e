package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code attentions.0} of the middle block: each pixel of the latents sees each other, with one head as wide as the channels. */
final class MidBlockAttention {
    private final Kernels kernels;
    private final GroupNorm groupNorm;
    private final Linear toQ;
    private final Linear toK;
    private final Linear toV;
    private final Linear toOut;

    MidBlockAttention(WeightStore weights, String name, int groups, Kernels kernels) {
        this.kernels = kernels;
        ScalarType type = kernels.type();
        groupNorm = new GroupNorm(weights, name + ".group_norm", groups, type, kernels);
        toQ = Linear.load(weights, name + ".to_q", true, type);
        toK = Linear.load(weights, name + ".to_k", true, type);
        toV = Linear.load(weights, name + ".to_v", true, type);
        toOut = Linear.load(weights, name + ".to_out.0", true, type);
    }

    /** Maps [1, C, h, w] to [1, C, h, w]. */
    Tensor forward(Tensor x) {
        return Tensors.scoped(() -> {
            long c = x.size(1);
            Tensor pixels = groupNorm.forward(x).permute(0, 2, 3, 1).reshape(-1, c); // [1, C, h, w] -> [h * w, C]
            Scalar scale = new Scalar(1 / Math.sqrt((double) c));
            Tensor query = Tensors.cast(
                    Tensors.cast(toQ.forward(pixels), ScalarType.Float).mul(scale), kernels.type());
            Tensor attended = kernels.wideAttention(
                    query.unsqueeze(1),
                    toK.forward(pixels).unsqueeze(1),
                    toV.forward(pixels).unsqueeze(1)); // [h * w, C]
            Tensor result = toOut.forward(attended)
                    .view(1, x.size(2), x.size(3), c)
                    .permute(0, 3, 1, 2); // [h * w, C] -> [1, C, h, w]
            return result.add(x).contiguous(MemoryFormat.ChannelsLast);
        });
    }
}
