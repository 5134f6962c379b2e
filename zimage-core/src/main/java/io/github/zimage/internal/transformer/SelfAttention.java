package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
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
    private final Linear toQ;
    private final Linear toK;
    private final Linear toV;
    private final Linear toOut;
    private final @Nullable Tensor normQ;
    private final @Nullable Tensor normK;

    SelfAttention(TensorSource weights, String name, TransformerConfig config, Kernels kernels) {
        this.kernels = kernels;
        heads = config.heads();
        headDim = config.headDim();
        toQ = Linear.load(weights, name + ".to_q", false, kernels.type());
        toK = Linear.load(weights, name + ".to_k", false, kernels.type());
        toV = Linear.load(weights, name + ".to_v", false, kernels.type());
        toOut = Linear.load(weights, name + ".to_out.0", false, kernels.type());
        normQ = config.qkNorm() ? weights.get(name + ".norm_q.weight", ScalarType.Float) : null;
        normK = config.qkNorm() ? weights.get(name + ".norm_k.weight", ScalarType.Float) : null;
    }

    /** Maps [S, dim] to [S, dim]. */
    Tensor forward(Tensor x, Rotations rotations) {
        return Tensors.scoped(() -> {
            Tensor query = kernels.qkNormRope(heads(toQ.forward(x)), normQ, QK_NORM_EPS, rotations.query());
            Tensor key = kernels.qkNormRope(heads(toK.forward(x)), normK, QK_NORM_EPS, rotations.key());
            Tensor value = heads(toV.forward(x));
            return toOut.forward(kernels.attention(query, key, value, false));
        });
    }

    /** [S, dim] to [S, H, D]. */
    private Tensor heads(Tensor x) {
        return x.view(x.size(0), heads, headDim);
    }
}
