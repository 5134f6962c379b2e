package io.github.zimage.internal.vae;

import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code attentions.0} of the middle block: each pixel of the latents sees each other, with one head as wide as the channels. */
final class MidBlockAttention {
    private final Attention attention;
    private final ScalarType type;
    private final GroupNorm groupNorm;
    private final Linear toQ;
    private final Linear toK;
    private final Linear toV;
    private final Linear toOut;

    MidBlockAttention(WeightStore weights, String name, int groups, Attention attention, ScalarType type) {
        this.attention = attention;
        this.type = type;
        groupNorm = new GroupNorm(weights, name + ".group_norm", groups, type);
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
                    Tensors.cast(toQ.forward(pixels), ScalarType.Float).mul(scale), type);
            Tensor attended = attention
                    .attend(
                            query.unsqueeze(0),
                            toK.forward(pixels).unsqueeze(0),
                            toV.forward(pixels).unsqueeze(0),
                            false)
                    .squeeze(0); // [h * w, C]
            Tensor result = toOut.forward(attended)
                    .view(1, x.size(2), x.size(3), c)
                    .permute(0, 3, 1, 2); // [h * w, C] -> [1, C, h, w]
            return result.add(x).contiguous(MemoryFormat.ChannelsLast);
        });
    }
}
