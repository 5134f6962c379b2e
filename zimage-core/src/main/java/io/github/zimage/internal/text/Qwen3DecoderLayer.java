package io.github.zimage.internal.text;

import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.nn.JointProjection;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.List;
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
    private final JointProjection gateUpProj;
    private final Projection downProj;

    Qwen3DecoderLayer(TensorSource weights, String name, TextEncoderConfig config, Kernels kernels) {
        this.kernels = kernels;
        eps = config.rmsNormEps();
        inputLayerNorm = weights.get(name + ".input_layernorm.weight", ScalarType.Float);
        selfAttn = new Qwen3Attention(weights, name + ".self_attn", config, kernels);
        postAttentionLayerNorm = weights.get(name + ".post_attention_layernorm.weight", ScalarType.Float);
        gateUpProj = kernels.jointProjection(weights, List.of(name + ".mlp.gate_proj", name + ".mlp.up_proj"), false);
        downProj = kernels.downProjection(weights, name + ".mlp.down_proj");
    }

    /** Returns the layout of a layer's weights. */
    static UnitLayout layout(WeightIndex index, StorageType type) {
        return UnitLayout.of(index, BlockWeights.TEXT_ENCODER, "layers.0", type);
    }

    /**
     * Runs the layer, changing x in place.
     *
     * @param x [T, hidden] fp32
     * @param additions what adapters add to this layer
     */
    void forward(Tensor x, Qwen3RotaryEmbedding rotary, TextAdditions.Layer additions) {
        try (PointerScope scope = new PointerScope()) {
            Rows normed = kernels.normScale(x, additions.inputNorm(inputLayerNorm), eps);
            x.add_(selfAttn.forward(normed, rotary, additions).floats());
        }
        try (PointerScope scope = new PointerScope()) {
            Rows normed = kernels.normScale(x, additions.postAttentionNorm(postAttentionLayerNorm), eps);
            List<Rows> gateAndUp = gateUpProj.with(additions.gateUp()).forward(normed);
            x.add_(downProj.with(additions.down())
                    .forward(kernels.swiglu(gateAndUp.get(0), gateAndUp.get(1)))
                    .floats());
        }
    }
}
