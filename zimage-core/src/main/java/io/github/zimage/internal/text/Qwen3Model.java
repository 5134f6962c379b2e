package io.github.zimage.internal.text;

import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TextEncoderConfig;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The text encoder: a Qwen3 language model without its last layer, final norm and head, because Z-Image takes
 * {@code hidden_states[-2]}. Prompts run without padding, which gives the same as padding to the right does, since attention is
 * causal.
 */
public final class Qwen3Model {
    private final TextEncoderConfig config;
    private final Tensor embedTokens;
    private final List<Qwen3DecoderLayer> layers = new ArrayList<>();

    /** Takes the model's weights from a store, which must stay open as long as the model is used. */
    public Qwen3Model(TextEncoderConfig config, WeightStore weights, Kernels kernels) {
        this.config = config;
        embedTokens = weights.get("embed_tokens.weight", kernels.type());
        for (int i = 0; i < config.layers() - 1; i++) {
            layers.add(new Qwen3DecoderLayer(weights, "layers." + i, config, kernels));
        }
    }

    /**
     * Encodes tokens.
     *
     * @param ids token ids, each below the vocabulary's size
     * @param betweenLayers called before each layer; throws to cancel
     * @return [T, hidden] fp32
     */
    public Tensor forward(int[] ids, Runnable betweenLayers) {
        return Tensors.scoped(() -> {
            Tensor index = Tensors.empty(ScalarType.Int, ids.length);
            new IntPointer(index.data_ptr()).put(ids, 0, ids.length);
            TextRotations rotations = TextRotations.of(config, ids.length);
            Tensor x = Tensors.cast(embedTokens.index_select(0, index), ScalarType.Float); // [T] -> [T, hidden]
            for (Qwen3DecoderLayer layer : layers) {
                betweenLayers.run();
                layer.forward(x, rotations);
            }
            return x;
        });
    }
}
