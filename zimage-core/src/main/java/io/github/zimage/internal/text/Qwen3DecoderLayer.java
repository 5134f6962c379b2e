package io.github.zimage.internal.text;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.weights.TextEncoderConfig;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A layer of the language model: attention and a gated feed-forward, each behind a norm. */
final class Qwen3DecoderLayer {
    private final Kernels kernels;
    private final double eps;
    private final Tensor inputLayerNorm;
    private final Qwen3Attention selfAttn;
    private final Tensor postAttentionLayerNorm;
    private final Projection gateProj;
    private final Projection upProj;
    private final Projection downProj;

    Qwen3DecoderLayer(WeightStore weights, String name, TextEncoderConfig config, Kernels kernels) {
        this.kernels = kernels;
        eps = config.rmsNormEps();
        inputLayerNorm = weights.get(name + ".input_layernorm.weight", ScalarType.Float);
        selfAttn = new Qwen3Attention(weights, name + ".self_attn", config, kernels);
        postAttentionLayerNorm = weights.get(name + ".post_attention_layernorm.weight", ScalarType.Float);
        gateProj = kernels.projection(weights, name + ".mlp.gate_proj", false);
        upProj = kernels.projection(weights, name + ".mlp.up_proj", false);
        downProj = kernels.downProjection(weights, name + ".mlp.down_proj");
    }

    /**
     * Runs the layer, changing x in place.
     *
     * @param x [T, hidden] fp32
     */
    void forward(Tensor x, TextRotations rotations) {
        try (PointerScope scope = new PointerScope()) {
            x.add_(selfAttn.forward(kernels.normScale(x, inputLayerNorm, eps), rotations)
                    .floats());
        }
        try (PointerScope scope = new PointerScope()) {
            Rows normed = kernels.normScale(x, postAttentionLayerNorm, eps);
            x.add_(downProj.forward(kernels.swiglu(gateProj.forward(normed), upProj.forward(normed)))
                    .floats());
        }
    }
}
