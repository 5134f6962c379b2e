package io.github.zimage.internal.text;

import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Blocks;
import io.github.zimage.internal.placement.Blocks.Range;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The text encoder: a Qwen3 language model without its last layer, final norm and head, because Z-Image takes
 * {@code hidden_states[-2]}. Prompts run without padding, which gives the same as padding to the right does, since attention is
 * causal.
 */
public final class Qwen3Model {
    private static final String EMBED_TOKENS = "embed_tokens.weight";

    private final TextEncoderConfig config;
    private final Kernels kernels;
    private final WeightStore weights;
    private final Blocks<Qwen3DecoderLayer> layers;
    private final Range allLayers;
    private final List<String> names = new ArrayList<>();

    /** Takes the model's weights from a store, which must stay open as long as the model is used. */
    public Qwen3Model(
            TextEncoderConfig config,
            WeightStore weights,
            Kernels kernels,
            Residence residence,
            BlockSource.Maker blockSource) {
        this.config = config;
        this.kernels = kernels;
        this.weights = weights;
        for (int i = 0; i < config.layers() - 1; i++) {
            names.add("layers." + i);
        }
        allLayers = new Range(0, names.size());
        layers = new Blocks<>(
                names,
                names.size(),
                residence,
                () -> Qwen3DecoderLayer.layout(weights.index(), kernels.weightType()),
                weights,
                blockSource,
                (source, name) -> new Qwen3DecoderLayer(source, name, config, kernels));
    }

    /** Takes what adapters add to this model from a store, which must stay open as long as it is used. */
    public TextAdditions additions(WeightStore adapters) {
        return TextAdditions.load(adapters, names, kernels);
    }

    /** As the other one, without adapters. */
    public List<Tensor> forward(List<int[]> prompts, Runnable betweenLayers) {
        return forward(prompts, TextAdditions.NONE, betweenLayers);
    }

    /**
     * Encodes prompts. Each goes through a layer by itself, so that it does not depend on the others.
     *
     * @param prompts token ids, each below the vocabulary's size
     * @param additions what adapters add to the model
     * @param betweenLayers called before each layer; throws to cancel
     * @return for each prompt [T, hidden] fp32
     */
    public List<Tensor> forward(List<int[]> prompts, TextAdditions additions, Runnable betweenLayers) {
        List<Tensor> hidden = new ArrayList<>();
        List<Qwen3RotaryEmbedding> rotary = new ArrayList<>();
        for (int[] ids : prompts) {
            hidden.add(embedded(ids));
            rotary.add(Qwen3RotaryEmbedding.of(config, ids.length, kernels.place()));
        }
        try (Blocks<Qwen3DecoderLayer>.Pass pass = layers.pass(allLayers, Range.NONE)) {
            for (int i = allLayers.from(); i < allLayers.to(); i++) {
                betweenLayers.run();
                Qwen3DecoderLayer layer = pass.next();
                for (int prompt = 0; prompt < prompts.size(); prompt++) {
                    layer.forward(hidden.get(prompt), rotary.get(prompt), additions.layer(i));
                }
            }
        }
        return hidden;
    }

    private Tensor embedded(int[] ids) {
        return Tensors.scoped(() -> {
            Tensor rows = kernels.place().take(weights.rows(EMBED_TOKENS, ids)); // [T] -> [T, hidden]
            return Tensors.cast(Tensors.cast(rows, kernels.type()), ScalarType.Float);
        });
    }

    /** Frees the memory of layers that come and go, until the model is used again. */
    public void rest() {
        layers.rest();
    }
}
