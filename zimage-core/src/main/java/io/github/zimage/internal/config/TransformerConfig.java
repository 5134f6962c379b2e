package io.github.zimage.internal.config;

import io.github.zimage.ModelLoadException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The shape of the diffusion transformer: {@code transformer/config.json}.
 *
 * @param dim size of a token's vector, a multiple of {@code heads}
 * @param layers number of blocks after image and caption have been joined
 * @param refinerLayers number of blocks that image and caption each pass before
 * @param heads number of attention heads
 * @param normEps epsilon of the RMS norms, except those of queries and keys
 * @param qkNorm whether queries and keys are normalized
 * @param capFeatDim size of the caption's vectors as the text encoder makes them
 * @param inChannels number of latent channels
 * @param ropeTheta base of the rotary frequencies
 * @param tScale factor of the time before it is embedded
 * @param axesDims how the rotated part of a head is shared among the three position axes; even, adding up to {@link #headDim}
 * @param axesLens positions that each axis was trained for
 */
public record TransformerConfig(
        int dim,
        int layers,
        int refinerLayers,
        int heads,
        double normEps,
        boolean qkNorm,
        int capFeatDim,
        int inChannels,
        double ropeTheta,
        double tScale,
        List<Integer> axesDims,
        List<Integer> axesLens) {
    /** Latent rows and columns that make one token. */
    public static final int PATCH_SIZE = 2;
    /** Size of the sinusoidal embedding of the time. */
    public static final int TIMESTEP_DIM = 256;
    /** Size of the hidden layer that the time's embedding passes. */
    public static final int TIMESTEP_HIDDEN = 1024;

    private static final int MAX_DIM = 65_536;
    private static final int MAX_ADA_LN_DIM = 256;

    /** Creates a configuration; the lists are copied. */
    public TransformerConfig {
        axesDims = List.copyOf(axesDims);
        axesLens = List.copyOf(axesLens);
    }

    /** Returns the size of an attention head. */
    public int headDim() {
        return dim / heads;
    }

    /** Returns the size of the hidden layer of the feed-forward part. */
    public int ffnDim() {
        return (int) (dim / 3.0 * 8);
    }

    /** Returns the size of the time's vector that modulates the blocks. */
    public int adaLnDim() {
        return Math.min(dim, MAX_ADA_LN_DIM);
    }

    /**
     * Reads a configuration.
     *
     * @throws ModelLoadException if it is damaged, impossible, or of a model that is not supported
     */
    public static TransformerConfig read(Path json) {
        ConfigFile file = ConfigFile.read(json);
        file.onlyText("_class_name", "ZImageTransformer2DModel");
        file.onlyNull("siglip_feat_dim", "quantization_config");
        file.onlyIntegers("all_patch_size", List.of(PATCH_SIZE));
        file.onlyIntegers("all_f_patch_size", List.of(1));
        TransformerConfig config = new TransformerConfig(
                file.integer("dim", 3840, 1, MAX_DIM),
                file.integer("n_layers", 30, 1, 1000),
                file.integer("n_refiner_layers", 2, 0, 1000),
                file.integer("n_heads", 30, 1, MAX_DIM),
                file.positive("norm_eps", 1e-5),
                file.flag("qk_norm", true),
                file.integer("cap_feat_dim", 2560, 1, MAX_DIM),
                file.integer("in_channels", 16, 1, 4096),
                file.positive("rope_theta", 256),
                file.positive("t_scale", 1000),
                file.integers("axes_dims", List.of(32, 48, 48), 2, MAX_DIM),
                file.integers("axes_lens", List.of(1024, 512, 512), 1, 1 << 24));
        if (config.dim % config.heads != 0) {
            throw file.wrong("n_heads", "must divide dim = " + config.dim, config.heads);
        }
        if (config.axesDims.size() != 3) {
            throw file.wrong("axes_dims", "must have 3 entries", config.axesDims);
        }
        if (config.axesLens.size() != 3) {
            throw file.wrong("axes_lens", "must have 3 entries", config.axesLens);
        }
        if (config.axesDims.stream().anyMatch(axis -> axis % 2 != 0)) {
            throw file.wrong("axes_dims", "must be even", config.axesDims);
        }
        if (config.axesDims.stream().mapToLong(Integer::longValue).sum() != config.headDim()) {
            throw file.wrong("axes_dims", "must add up to dim / n_heads = " + config.headDim(), config.axesDims);
        }
        return config;
    }

    /** Returns the shapes of all weights by their names in the checkpoint, in its order. */
    public Map<String, List<Long>> tensors() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        long d = dim;
        long patch = (long) PATCH_SIZE * PATCH_SIZE * inChannels;
        tensors.put("x_pad_token", List.of(1L, d));
        tensors.put("cap_pad_token", List.of(1L, d));
        linear(tensors, "all_x_embedder.2-1", d, patch);
        linear(tensors, "all_final_layer.2-1.linear", patch, d);
        linear(tensors, "all_final_layer.2-1.adaLN_modulation.1", d, adaLnDim());
        for (int i = 0; i < refinerLayers; i++) {
            block(BlockWeights.TRANSFORMER, tensors, "noise_refiner." + i + ".", true);
        }
        for (int i = 0; i < refinerLayers; i++) {
            block(BlockWeights.TRANSFORMER, tensors, "context_refiner." + i + ".", false);
        }
        linear(tensors, "t_embedder.mlp.0", TIMESTEP_HIDDEN, TIMESTEP_DIM);
        linear(tensors, "t_embedder.mlp.2", adaLnDim(), TIMESTEP_HIDDEN);
        tensors.put("cap_embedder.0.weight", List.of((long) capFeatDim));
        linear(tensors, "cap_embedder.1", d, capFeatDim);
        for (int i = 0; i < layers; i++) {
            block(BlockWeights.TRANSFORMER, tensors, "layers." + i + ".", true);
        }
        return tensors;
    }

    /** Adds the shapes of a block's weights, which has this transformer's widths. */
    void block(BlockWeights weights, Map<String, List<Long>> tensors, String prefix, boolean modulated) {
        for (BlockWeights.Entry entry : weights.entries()) {
            boolean there = switch (entry.role()) {
                case NORM -> qkNorm;
                case MODULATION -> modulated;
                default -> true;
            };
            if (there) {
                tensors.put(prefix + entry.name(), entry.shape(this::size));
            }
        }
    }

    private long size(BlockWeights.Size size) {
        return switch (size) {
            case HIDDEN, QUERIES, KEYS -> dim;
            case HEAD -> headDim();
            case INNER -> ffnDim();
            case TIME -> adaLnDim();
            case MODULATIONS -> 4L * dim;
        };
    }

    static void linear(Map<String, List<Long>> tensors, String name, long out, long in) {
        tensors.put(name + ".weight", List.of(out, in));
        tensors.put(name + ".bias", List.of(out));
    }
}
