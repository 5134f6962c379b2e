package io.github.zimage.internal.transformer;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What adapters add to a block; null stands for nothing. Like the norms it comes from outside, so that a block in a slot, whose weights come
 * and go, needs no other weights for it.
 *
 * @param qkv to queries, keys and values
 * @param out to the projection behind attention
 * @param w1w3 to the feed-forward's input
 * @param w2 to its output
 * @param normQ to the norm of queries, [D] fp32
 * @param normK to the norm of keys, [D] fp32
 * @param norms to the four norms of {@link BlockNorms}, [dim] fp32 each
 * @param modulation to what modulates the block
 */
record BlockAdditions(
        @Nullable Addition qkv,
        @Nullable Addition out,
        @Nullable Addition w1w3,
        @Nullable Addition w2,
        @Nullable Tensor normQ,
        @Nullable Tensor normK,
        List<@Nullable Tensor> norms,
        @Nullable Addition modulation) {

    /** Nothing. */
    static final BlockAdditions NONE =
            new BlockAdditions(null, null, null, null, null, null, Arrays.asList(null, null, null, null), null);

    /**
     * Takes what is added to a block from a store, to which it belongs.
     *
     * @param kernels those of the block
     */
    static BlockAdditions load(WeightStore adapters, String block, Kernels kernels) {
        String attention = block + ".attention";
        String feedForward = block + ".feed_forward";
        return new BlockAdditions(
                kernels.addition(adapters, attention + ".to_q", attention + ".to_k", attention + ".to_v"),
                kernels.addition(adapters, attention + ".to_out.0"),
                kernels.addition(adapters, feedForward + ".w1", feedForward + ".w3"),
                kernels.downAddition(adapters, feedForward + ".w2"),
                difference(adapters, attention + ".norm_q.weight"),
                difference(adapters, attention + ".norm_k.weight"),
                Arrays.asList(
                        difference(adapters, block + ".attention_norm1.weight"),
                        difference(adapters, block + ".attention_norm2.weight"),
                        difference(adapters, block + ".ffn_norm1.weight"),
                        difference(adapters, block + ".ffn_norm2.weight")),
                Addition.load(adapters, block + ".adaLN_modulation.0", ScalarType.Float));
    }

    /** Returns what is added to a vector, fp32; null if nothing is. */
    static @Nullable Tensor difference(WeightStore adapters, String weight) {
        String name = AdapterTensors.difference(weight);
        return adapters.index().has(name) ? adapters.get(name, ScalarType.Float) : null;
    }

    /** Returns a weight with what is added to it. */
    static Tensor sum(Tensor weight, @Nullable Tensor difference) {
        return difference == null
                ? weight
                : Tensors.cast(weight, ScalarType.Float).add(difference);
    }

    /** Returns norms with what is added to them; the same if that is nothing. */
    BlockNorms sum(BlockNorms own) {
        return norms.stream().allMatch(each -> each == null)
                ? own
                : new BlockNorms(
                        sum(own.attentionNorm1(), norms.get(0)),
                        sum(own.attentionNorm2(), norms.get(1)),
                        sum(own.ffnNorm1(), norms.get(2)),
                        sum(own.ffnNorm2(), norms.get(3)));
    }
}
