package io.github.zimage.internal.text;

import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** {@code self_attn}: causal attention in which groups of query heads share a key and value head. */
final class Qwen3Attention {
    private final TextEncoderConfig config;
    private final Kernels kernels;
    private final JointProjection qkvProj;
    private final Projection oProj;
    private final Tensor qNorm;
    private final Tensor kNorm;

    Qwen3Attention(TensorSource weights, String name, TextEncoderConfig config, Kernels kernels) {
        this.config = config;
        this.kernels = kernels;
        qkvProj = kernels.jointProjection(
                weights, List.of(name + ".q_proj", name + ".k_proj", name + ".v_proj"), config.attentionBias());
        oProj = kernels.projection(weights, name + ".o_proj", config.attentionBias());
        qNorm = weights.get(name + ".q_norm.weight", ScalarType.Float);
        kNorm = weights.get(name + ".k_norm.weight", ScalarType.Float);
    }

    /** Maps [T, hidden] to [T, hidden]. */
    Rows forward(Rows x, Qwen3RotaryEmbedding rotary, TextAdditions.Layer additions) {
        List<Rows> qkv = qkvProj.with(additions.qkv()).forward(x);
        Tensor query = rotate(
                heads(qkv.get(0), config.heads()),
                additions.queryNorm(qNorm),
                rotary.queryCosine(),
                rotary.querySine());
        Tensor key =
                rotate(heads(qkv.get(1), config.kvHeads()), additions.keyNorm(kNorm), rotary.cosine(), rotary.sine());
        Tensor value = Tensors.cast(heads(qkv.get(2), config.kvHeads()), kernels.type());
        return oProj.with(additions.o())
                .forward(kernels.rows(kernels.attention(query, shared(key), shared(value), true)));
    }

    /** [T, heads * D] to [T, heads, D] fp32. */
    private Tensor heads(Rows x, int heads) {
        return x.floats().view(x.count(), heads, config.headDim());
    }

    /** [T, kvHeads, D] to [T, heads, D]. */
    private Tensor shared(Tensor x) {
        int group = config.heads() / config.kvHeads();
        return group == 1
                ? x
                : x.unsqueeze(2)
                        .expand(x.size(0), x.size(1), group, x.size(2)) // [T, kvHeads, group, D]
                        .reshape(x.size(0), config.heads(), x.size(2));
    }

    /** Normalises heads [T, heads, D] fp32 and rotates feature i with feature i + D/2. */
    private Tensor rotate(Tensor x, Tensor norm, Tensor cosine, Tensor sine) {
        return Tensors.scoped(() -> {
            Tensor normed = Kernels.rmsNorm(x, norm, config.rmsNormEps());
            long half = x.size(2) / 2;
            Tensor first = normed.narrow(2, 0, half);
            Tensor second = normed.narrow(2, half, half);
            Tensor rotated = torch.cat(
                    new TensorVector(
                            first.mul(cosine).sub_(second.mul(sine)),
                            second.mul(cosine).add_(first.mul(sine))),
                    2);
            return Tensors.cast(rotated, kernels.type());
        });
    }
}
