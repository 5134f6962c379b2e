package io.github.zimage.internal.transformer;

import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Projection;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.weights.WeightIndex;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** A block of a ControlNet: one of the transformer's kind, and a projection that makes hints of its tokens. */
final class ControlBlock {
    private final ZImageTransformerBlock block;
    private final Projection afterProj;
    private final Kernels kernels;

    /**
     * Takes a block's weights from a source, to which they belong.
     *
     * @param name the block's name, such as {@code control_layers.0}
     */
    ControlBlock(TensorSource weights, String name, TransformerConfig config, Kernels kernels) {
        block = new ZImageTransformerBlock(weights, name, config, kernels);
        afterProj = kernels.projection(weights, name + ".after_proj", true);
        this.kernels = kernels;
    }

    /** Returns the layout of a block's weights. */
    static UnitLayout layout(WeightIndex index, String name, StorageType type) {
        return UnitLayout.of(index, BlockWeights.CONTROLNET, name, type);
    }

    /**
     * Runs the block, changing c in place.
     *
     * @param c [S, dim] fp32
     */
    void forward(Tensor c, RotaryEmbedding rotary, BlockNorms step) {
        block.forward(c, rotary, step);
    }

    /**
     * Adds what the block's tokens hint at to a stream, in place.
     *
     * @param c what {@link #forward} left, [S, dim] fp32
     * @param scale by how much it is multiplied, [1] fp32
     * @param stream [S, dim] fp32
     */
    void addHint(Tensor c, Tensor scale, Tensor stream) {
        kernels.inParts(c.size(0), (row, count) -> {
            try (PointerScope scope = new PointerScope()) {
                Tensor hint =
                        afterProj.forward(kernels.rows(c.narrow(0, row, count))).floats();
                stream.narrow(0, row, count).addcmul_(hint, scale);
            }
        });
    }
}
