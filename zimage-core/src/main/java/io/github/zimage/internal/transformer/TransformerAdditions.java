package io.github.zimage.internal.transformer;

import io.github.zimage.internal.nn.Addition;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.weights.WeightStore;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What adapters add to the transformer. Its weights stay as they are: with this, pictures are computed by the sum, and with {@link #NONE} by the
 * weights alone, to the last bit.
 */
public final class TransformerAdditions {
    /** Nothing. */
    public static final TransformerAdditions NONE = new TransformerAdditions();

    private final Map<String, BlockAdditions> blocks = new HashMap<>();
    private @Nullable Addition xEmbedder;
    private @Nullable Addition capEmbedder;
    private @Nullable Addition timestep0;
    private @Nullable Addition timestep2;
    private @Nullable Addition finalLinear;
    private @Nullable Addition finalModulation;
    private @Nullable Tensor capEmbedderNorm;
    private @Nullable Tensor xPadToken;
    private @Nullable Tensor capPadToken;

    private TransformerAdditions() {}

    /**
     * Takes what is added from a store, to which it belongs.
     *
     * @param blockNames the names of all blocks
     * @param patch how the embedder and the final layer for the patches' size are called
     */
    static TransformerAdditions load(WeightStore adapters, List<String> blockNames, String patch, Kernels kernels) {
        TransformerAdditions all = new TransformerAdditions();
        blockNames.forEach(name -> all.blocks.put(name, BlockAdditions.load(adapters, name, kernels)));
        all.xEmbedder = Addition.load(adapters, "all_x_embedder." + patch, kernels.type());
        all.capEmbedder = Addition.load(adapters, "cap_embedder.1", kernels.type());
        all.timestep0 = Addition.load(adapters, "t_embedder.mlp.0", ScalarType.Float);
        all.timestep2 = Addition.load(adapters, "t_embedder.mlp.2", ScalarType.Float);
        String finalLayer = "all_final_layer." + patch;
        all.finalLinear = Addition.load(adapters, finalLayer + ".linear", kernels.type());
        all.finalModulation = Addition.load(adapters, finalLayer + ".adaLN_modulation.1", ScalarType.Float);
        all.capEmbedderNorm = BlockAdditions.difference(adapters, "cap_embedder.0.weight");
        all.xPadToken = BlockAdditions.difference(adapters, "x_pad_token");
        all.capPadToken = BlockAdditions.difference(adapters, "cap_pad_token");
        return all;
    }

    BlockAdditions block(String name) {
        return blocks.getOrDefault(name, BlockAdditions.NONE);
    }

    @Nullable
    Addition xEmbedder() {
        return xEmbedder;
    }

    @Nullable
    Addition capEmbedder() {
        return capEmbedder;
    }

    @Nullable
    Addition timestep0() {
        return timestep0;
    }

    @Nullable
    Addition timestep2() {
        return timestep2;
    }

    @Nullable
    Addition finalLinear() {
        return finalLinear;
    }

    @Nullable
    Addition finalModulation() {
        return finalModulation;
    }

    @Nullable
    Tensor capEmbedderNorm() {
        return capEmbedderNorm;
    }

    @Nullable
    Tensor xPadToken() {
        return xPadToken;
    }

    @Nullable
    Tensor capPadToken() {
        return capPadToken;
    }
}
