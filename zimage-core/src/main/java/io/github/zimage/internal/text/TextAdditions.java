package io.github.zimage.internal.text;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** What adapters add to the text encoder, whose weights stay as they are. */
public final class TextAdditions {
    /** Nothing. */
    public static final TextAdditions NONE = new TextAdditions(List.of());

    private final List<Layer> layers;

    private TextAdditions(List<Layer> layers) {
        this.layers = List.copyOf(layers);
    }

    /**
     * What adapters add to a layer; null stands for nothing.
     *
     * @param norms to the norms before attention and before the feed-forward, of queries, and of keys, all fp32
     */
    record Layer(
            @Nullable Addition qkv,
            @Nullable Addition o,
            @Nullable Addition gateUp,
            @Nullable Addition down,
            List<@Nullable Tensor> norms) {
        static final Layer NONE = new Layer(null, null, null, null, Arrays.asList(null, null, null, null));

        static Layer load(WeightStore adapters, String layer, Kernels kernels) {
            String attention = layer + ".self_attn.";
            String mlp = layer + ".mlp.";
            return new Layer(
                    kernels.addition(adapters, attention + "q_proj", attention + "k_proj", attention + "v_proj"),
                    kernels.addition(adapters, attention + "o_proj"),
                    kernels.addition(adapters, mlp + "gate_proj", mlp + "up_proj"),
                    kernels.downAddition(adapters, mlp + "down_proj"),
                    Arrays.asList(
                            difference(adapters, layer + ".input_layernorm.weight"),
                            difference(adapters, layer + ".post_attention_layernorm.weight"),
                            difference(adapters, attention + "q_norm.weight"),
                            difference(adapters, attention + "k_norm.weight")));
        }

        private static @Nullable Tensor difference(WeightStore adapters, String weight) {
            String name = AdapterTensors.difference(weight);
            return adapters.index().has(name) ? adapters.get(name, ScalarType.Float) : null;
        }

        private static Tensor sum(Tensor weight, @Nullable Tensor difference) {
            return difference == null
                    ? weight
                    : Tensors.cast(weight, ScalarType.Float).add(difference);
        }

        Tensor inputNorm(Tensor own) {
            return sum(own, norms.get(0));
        }

        Tensor postAttentionNorm(Tensor own) {
            return sum(own, norms.get(1));
        }

        Tensor queryNorm(Tensor own) {
            return sum(own, norms.get(2));
        }

        Tensor keyNorm(Tensor own) {
            return sum(own, norms.get(3));
        }
    }

    /** Takes what is added from a store, to which it belongs. */
    static TextAdditions load(WeightStore adapters, List<String> layers, Kernels kernels) {
        List<Layer> loaded = new ArrayList<>();
        layers.forEach(layer -> loaded.add(Layer.load(adapters, layer, kernels)));
        return new TextAdditions(loaded);
    }

    Layer layer(int index) {
        return layers.isEmpty() ? Layer.NONE : layers.get(index);
    }
}
