package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Linear;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What a block's four norms multiply with: their own weights or, in one step of a block that is modulated, those times the modulation,
 * so that modulating costs nothing in the block. All [dim] fp32.
 *
 * @param attentionNorm1 {@code attention_norm1 * (1 + scale_msa)}
 * @param attentionNorm2 {@code attention_norm2 * tanh(gate_msa)}
 * @param ffnNorm1 {@code ffn_norm1 * (1 + scale_mlp)}
 * @param ffnNorm2 {@code ffn_norm2 * tanh(gate_mlp)}
 */
public record BlockNorms(Tensor attentionNorm1, Tensor attentionNorm2, Tensor ffnNorm1, Tensor ffnNorm2) {

    /** Takes the norms' own weights from a block's. */
    public static BlockNorms load(TensorSource weights, String block) {
        return new BlockNorms(
                weights.get(block + ".attention_norm1.weight", ScalarType.Float),
                weights.get(block + ".attention_norm2.weight", ScalarType.Float),
                weights.get(block + ".ffn_norm1.weight", ScalarType.Float),
                weights.get(block + ".ffn_norm2.weight", ScalarType.Float));
    }

    /**
     * Returns the modulated norms of each step.
     *
     * @param adaLnModulation the block's layer of that name
     * @param addition what adapters add to that layer, or null
     * @param adaLnInput the embedded timesteps [steps, adaLnDim] fp32
     */
    List<BlockNorms> modulated(Linear adaLnModulation, @Nullable Addition addition, Tensor adaLnInput) {
        TensorVector chunks = modulatedChunks(adaLnModulation, addition, adaLnInput);
        List<BlockNorms> steps = new ArrayList<>();
        for (long step = 0; step < adaLnInput.size(0); step++) {
            steps.add(new BlockNorms(
                    chunks.get(0).select(0, step),
                    chunks.get(1).select(0, step),
                    chunks.get(2).select(0, step),
                    chunks.get(3).select(0, step)));
        }
        return steps;
    }

    /** As {@link #modulated}, in the order of the components, side by side: [steps, 4 * dim]. */
    Tensor modulatedRows(Linear adaLnModulation, Tensor adaLnInput) {
        TensorVector chunks = modulatedChunks(adaLnModulation, null, adaLnInput);
        return torch.cat(new TensorVector(chunks.get(0), chunks.get(1), chunks.get(2), chunks.get(3)), 1);
    }

    /** Returns the modulated norms, [steps, dim] each: parts of one tensor. */
    private TensorVector modulatedChunks(Linear adaLnModulation, @Nullable Addition addition, Tensor adaLnInput) {
        // What calls the kernel would hold the layer's weights as long as it lives, and there are 15 MB of them in a
        // block.
        Tensor modulation = Tensors.scoped(() -> adaLnModulation.forward(adaLnInput, addition)); // [steps, 4 * dim]
        TensorVector chunks = modulation.chunk(4, -1); // 4 x [steps, dim], parts of it that are overwritten
        Scalar one = new Scalar(1.0);
        chunks.get(0).add_(one).mul_(attentionNorm1); // scale_msa
        chunks.get(1).tanh_().mul_(attentionNorm2); // gate_msa
        chunks.get(2).add_(one).mul_(ffnNorm1); // scale_mlp
        chunks.get(3).tanh_().mul_(ffnNorm2); // gate_mlp
        return chunks;
    }
}
