package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.weights.WeightIndex;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A block of attention and feed-forward, each between two norms. The norms, which the timestep modulates in all but the context
 * refiner, come from outside: see {@link BlockNorms}.
 */
public final class ZImageTransformerBlock {
    private final Kernels kernels;
    private final double eps;
    private final SelfAttention attention;
    private final FeedForward feedForward;

    /**
     * Takes a block's weights from a source, to which they belong.
     *
     * @param name the block's name, such as {@code layers.0}
     */
    public ZImageTransformerBlock(TensorSource weights, String name, TransformerConfig config, Kernels kernels) {
        this.kernels = kernels;
        eps = config.normEps();
        attention = new SelfAttention(weights, name + ".attention", config, kernels);
        feedForward = new FeedForward(weights, name + ".feed_forward", kernels);
    }

    /** Returns the layout of a block's weights. */
    static UnitLayout layout(WeightIndex index, StorageType type) {
        return UnitLayout.of(index, BlockWeights.TRANSFORMER, "layers.0", type);
    }

    /**
     * Runs the block, changing x in place.
     *
     * @param x [S, dim] fp32
     */
    public void forward(Tensor x, RotaryEmbedding rotary, BlockNorms step) {
        forward(x, rotary, step, BlockAdditions.NONE, null);
    }

    /** As the other one, with what adapters add to this block, and another attention than that of all rows to all. */
    void forward(
            Tensor x,
            RotaryEmbedding rotary,
            BlockNorms step,
            BlockAdditions additions,
            @Nullable AvoidingAttention avoiding) {
        try (PointerScope scope = new PointerScope()) {
            Tensor attended = attention.forward(x, step.attentionNorm1(), eps, rotary, additions, avoiding);
            kernels.inParts(x.size(0), (row, count) -> {
                Tensor rows = x.narrow(0, row, count);
                Rows normed = kernels.addNormScaleNorm(
                        rows,
                        attention.out(attended.narrow(0, row, count), additions),
                        step.attentionNorm2(),
                        step.ffnNorm1(),
                        eps);
                kernels.addNormScale(rows, feedForward.forward(normed, additions), step.ffnNorm2(), eps);
            });
        }
    }
}
