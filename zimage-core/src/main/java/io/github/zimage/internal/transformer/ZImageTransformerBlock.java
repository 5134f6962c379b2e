package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.weights.TransformerConfig;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A block of attention and feed-forward, each between two norms, which the timestep modulates in all but the context refiner. */
final class ZImageTransformerBlock {
    private final Kernels kernels;
    private final double eps;
    private final SelfAttention attention;
    private final FeedForward feedForward;
    private final BlockNorms norms;
    private final @Nullable Linear adaLnModulation;

    ZImageTransformerBlock(
            WeightStore weights, String name, TransformerConfig config, boolean modulation, Kernels kernels) {
        this.kernels = kernels;
        eps = config.normEps();
        attention = new SelfAttention(weights, name + ".attention", config, kernels);
        feedForward = new FeedForward(weights, name + ".feed_forward", kernels);
        norms = new BlockNorms(
                weights.get(name + ".attention_norm1.weight", ScalarType.Float),
                weights.get(name + ".attention_norm2.weight", ScalarType.Float),
                weights.get(name + ".ffn_norm1.weight", ScalarType.Float),
                weights.get(name + ".ffn_norm2.weight", ScalarType.Float));
        adaLnModulation =
                modulation ? Linear.load(weights, name + ".adaLN_modulation.0", true, ScalarType.Float) : null;
    }

    /** Returns the norms of a block that is not modulated. */
    BlockNorms norms() {
        return norms;
    }

    /**
     * Returns the norms of each step.
     *
     * @param adaLnInput the embedded timesteps [steps, adaLnDim] fp32
     */
    List<BlockNorms> modulated(Tensor adaLnInput) {
        if (adaLnModulation == null) {
            throw new IllegalStateException("this block is not modulated");
        }
        Tensor modulation = adaLnModulation.forward(adaLnInput); // [steps, 4 * dim]
        TensorVector chunks = modulation.chunk(4, -1); // 4 x [steps, dim], parts of it that are overwritten
        Scalar one = new Scalar(1.0);
        Tensor attentionNorm1 = chunks.get(0).add_(one).mul_(norms.attentionNorm1());
        Tensor attentionNorm2 = chunks.get(1).tanh_().mul_(norms.attentionNorm2());
        Tensor ffnNorm1 = chunks.get(2).add_(one).mul_(norms.ffnNorm1());
        Tensor ffnNorm2 = chunks.get(3).tanh_().mul_(norms.ffnNorm2());
        List<BlockNorms> steps = new ArrayList<>();
        for (long step = 0; step < adaLnInput.size(0); step++) {
            steps.add(new BlockNorms(
                    attentionNorm1.select(0, step),
                    attentionNorm2.select(0, step),
                    ffnNorm1.select(0, step),
                    ffnNorm2.select(0, step)));
        }
        return steps;
    }

    /**
     * Runs the block, changing x in place.
     *
     * @param x [S, dim] fp32
     */
    void forward(Tensor x, Rotations rotations, BlockNorms step) {
        try (PointerScope scope = new PointerScope()) {
            Tensor attended = attention.forward(x, step.attentionNorm1(), eps, rotations);
            kernels.inParts(
                    x.size(0),
                    (row, count) -> kernels.addNormScale(
                            x.narrow(0, row, count),
                            attention.out(attended.narrow(0, row, count)),
                            step.attentionNorm2(),
                            eps));
        }
        kernels.inParts(x.size(0), (row, count) -> {
            Tensor rows = x.narrow(0, row, count);
            kernels.addNormScale(
                    rows, feedForward.forward(kernels.normScale(rows, step.ffnNorm1(), eps)), step.ffnNorm2(), eps);
        });
    }
}
