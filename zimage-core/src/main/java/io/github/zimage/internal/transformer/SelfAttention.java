package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** {@code attention}: every token sees every token; queries and keys are normalised head by head, then rotated. */
final class SelfAttention {
    /** diffusers fixes this one; {@code norm_eps} of the configuration is for the other norms. */
    private static final double QK_NORM_EPS = 1e-5;

    private final Kernels kernels;
    private final int heads;
    private final JointProjection toQkv;
    private final Projection toOut;
    private final @Nullable Tensor normQ;
    private final @Nullable Tensor normK;

    SelfAttention(TensorSource weights, String name, TransformerConfig config, Kernels kernels) {
        this.kernels = kernels;
        heads = config.heads();
        toQkv = kernels.jointProjection(weights, List.of(name + ".to_q", name + ".to_k", name + ".to_v"), false);
        toOut = kernels.projection(weights, name + ".to_out.0", false);
        normQ = config.qkNorm() ? weights.get(name + ".norm_q.weight", ScalarType.Float) : null;
        normK = config.qkNorm() ? weights.get(name + ".norm_k.weight", ScalarType.Float) : null;
    }

    /**
     * Lets tokens see each other.
     *
     * @param x [S, dim] fp32
     * @param norm the weight of the norm in front, [dim] fp32
     * @param eps that of the norm
     * @param avoiding how they see each other; null if all see all
     * @return [S, dim], before {@link #out}
     */
    Tensor forward(
            Tensor x,
            Tensor norm,
            double eps,
            RotaryEmbedding rotary,
            BlockAdditions additions,
            @Nullable AvoidingAttention avoiding) {
        return Tensors.scoped(() -> {
            Heads.Recipe recipe = new Heads.Recipe(
                    heads,
                    normQ == null ? null : BlockAdditions.sum(normQ, additions.normQ()),
                    normK == null ? null : BlockAdditions.sum(normK, additions.normK()),
                    QK_NORM_EPS,
                    rotary.query(),
                    rotary.key());
            Heads made = kernels.heads(x, norm, eps, toQkv.with(additions.qkv()), recipe);
            return avoiding == null
                    ? kernels.attention(made.query(), made.key(), made.value(), false)
                    : avoiding.attend(kernels, made);
        });
    }

    /** Maps what was attended to, some rows of it, back to the stream. */
    Rows out(Tensor attended, BlockAdditions additions) {
        return toOut.with(additions.out()).forward(kernels.rows(attended));
    }
}
