package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TransformerConfig;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** {@code attention}: every token sees every token; queries and keys are normalised head by head, then rotated. */
final class SelfAttention {
    /** diffusers fixes this one; {@code norm_eps} of the configuration is for the other norms. */
    private static final double QK_NORM_EPS = 1e-5;

    private final Kernels kernels;
    private final int heads;
    private final int headDim;
    private final Projection toQ;
    private final Projection toK;
    private final Projection toV;
    private final Projection toOut;
    private final @Nullable Tensor normQ;
    private final @Nullable Tensor normK;

    SelfAttention(TensorSource weights, String name, TransformerConfig config, Kernels kernels) {
        this.kernels = kernels;
        heads = config.heads();
        headDim = config.headDim();
        toQ = kernels.projection(weights, name + ".to_q", false);
        toK = kernels.projection(weights, name + ".to_k", false);
        toV = kernels.projection(weights, name + ".to_v", false);
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
     * @return [S, dim], before {@link #out}
     */
    Tensor forward(Tensor x, Tensor norm, double eps, Rotations rotations) {
        return Tensors.scoped(() -> {
            Tensor query = heads(x);
            Tensor key = heads(x);
            Tensor value = heads(x);
            kernels.inParts(x.size(0), (row, count) -> {
                Rows normed = kernels.normScale(x.narrow(0, row, count), norm, eps);
                kernels.qkNormRope(
                        toQ.forward(normed),
                        normQ,
                        QK_NORM_EPS,
                        rotations.query().narrow(0, row, count),
                        query.narrow(0, row, count));
                kernels.qkNormRope(
                        toK.forward(normed),
                        normK,
                        QK_NORM_EPS,
                        rotations.key().narrow(0, row, count),
                        key.narrow(0, row, count));
                kernels.copy(toV.forward(normed), value.narrow(0, row, count));
            });
            return kernels.attention(query, key, value, false);
        });
    }

    /** Maps what was attended to, some rows of it, back to the stream. */
    Rows out(Tensor attended) {
        return toOut.forward(kernels.rows(attended));
    }

    /** Returns room for the heads of all rows of x, [S, H, D], in memory head by head. */
    private Tensor heads(Tensor x) {
        return Tensors.empty(kernels.type(), heads, x.size(0), headDim).transpose(0, 1);
    }
}
