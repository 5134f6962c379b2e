package io.github.zimage.internal.config;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The shape of the text encoder, a Qwen3 language model: {@code text_encoder/config.json}.
 *
 * @param hiddenSize size of a token's vector
 * @param layers number of layers in the checkpoint, of which the last is never run
 * @param heads number of query heads
 * @param kvHeads number of key and value heads, which divides {@code heads}
 * @param headDim size of a head, even
 * @param intermediateSize size of the hidden layer of the feed-forward part
 * @param rmsNormEps epsilon of all norms
 * @param ropeTheta base of the rotary frequencies
 * @param vocabSize number of tokens that have an embedding
 * @param attentionBias whether the attention's projections have biases
 */
public record TextEncoderConfig(
        int hiddenSize,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        int intermediateSize,
        double rmsNormEps,
        double ropeTheta,
        int vocabSize,
        boolean attentionBias) {
    private static final int MAX_DIM = 65_536;
    private static final double DEFAULT_THETA = 10_000;

    /**
     * Reads a configuration, with the rotary parameters in their old form ({@code rope_theta}) or their new one
     * ({@code rope_parameters}).
     *
     * @throws ModelLoadException if it is damaged, impossible, or of a model that is not supported
     */
    public static TextEncoderConfig read(Path json) {
        ConfigFile file = ConfigFile.read(json);
        file.onlyText("model_type", "qwen3");
        file.onlyText("hidden_act", "silu", "swish");
        file.onlyNull("quantization_config");
        int layers = file.integer("num_hidden_layers", 32, 1, 1000);
        refuseSlidingWindows(file, layers);
        int heads = file.integer("num_attention_heads", 32, 1, MAX_DIM);
        boolean sameHeads = !file.has("num_key_value_heads") && file.keys().contains("num_key_value_heads");
        TextEncoderConfig config = new TextEncoderConfig(
                file.integer("hidden_size", 4096, 1, MAX_DIM),
                layers,
                heads,
                sameHeads ? heads : file.integer("num_key_value_heads", 32, 1, MAX_DIM),
                file.integer("head_dim", 128, 1, MAX_DIM),
                file.integer("intermediate_size", 22_016, 1, 16 * MAX_DIM),
                file.positive("rms_norm_eps", 1e-6),
                ropeTheta(file),
                file.integer("vocab_size", 151_936, 1, 1 << 24),
                file.flag("attention_bias", false));
        if (config.heads % config.kvHeads != 0) {
            throw file.wrong(
                    "num_key_value_heads", "must divide num_attention_heads = " + config.heads, config.kvHeads);
        }
        if (config.headDim % 2 != 0) {
            throw file.wrong("head_dim", "must be even", config.headDim);
        }
        return config;
    }

    private static double ropeTheta(ConfigFile file) {
        double theta = file.has("rope_theta") ? file.positive("rope_theta", DEFAULT_THETA) : DEFAULT_THETA;
        refusePartialRotation(file);
        ConfigFile scaling = file.object("rope_scaling");
        ConfigFile rope = scaling != null && !scaling.keys().isEmpty() ? scaling : file.object("rope_parameters");
        if (rope == null) {
            return theta;
        }
        for (String key : rope.keys()) {
            if (rope.has(key) && key.endsWith("_attention")) {
                throw rope.wrong(key, "is not supported: rotary parameters must be the same for all layers");
            }
        }
        rope.onlyText(rope.has("rope_type") ? "rope_type" : "type", "default");
        refusePartialRotation(rope);
        return rope.has("rope_theta") ? rope.positive("rope_theta", theta) : theta;
    }

    private static void refusePartialRotation(ConfigFile file) {
        if (file.has("partial_rotary_factor") && file.number("partial_rotary_factor", 1) != 1) {
            throw file.wrong("partial_rotary_factor", "must be 1");
        }
    }

    private static void refuseSlidingWindows(ConfigFile file, int layers) {
        if (file.has("layer_types")) {
            List<String> types = file.texts("layer_types", List.of());
            if (types.size() != layers) {
                throw file.wrong("layer_types", "must have num_hidden_layers = " + layers + " entries", types.size());
            }
            for (String type : types) {
                if (!type.equals("full_attention")) {
                    throw file.wrong("layer_types", "must be full_attention throughout", ModelFile.quote(type));
                }
            }
        } else if (file.has("use_sliding_window")
                && file.flag("use_sliding_window", false)
                && (file.has("sliding_window") || !file.keys().contains("sliding_window"))
                && file.integer("max_window_layers", 28, 0, Integer.MAX_VALUE) < layers) {
            throw file.wrong("use_sliding_window", "is not supported and must be false");
        }
    }

    /**
     * Returns the shapes of the weights that are loaded by their names, without the leading {@code model.} that they
     * have in most checkpoints: the embeddings and all layers but the last.
     */
    public Map<String, List<Long>> tensors() {
        return tensors(layers - 1);
    }

    /** Returns the shapes of all weights that a checkpoint holds, named as in {@link #tensors}. */
    public Map<String, List<Long>> fileTensors() {
        Map<String, List<Long>> tensors = tensors(layers);
        tensors.put("norm.weight", List.of((long) hiddenSize));
        return tensors;
    }

    private Map<String, List<Long>> tensors(int count) {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        tensors.put("embed_tokens.weight", List.of((long) vocabSize, (long) hiddenSize));
        for (int i = 0; i < count; i++) {
            for (BlockWeights.Entry entry : BlockWeights.TEXT_ENCODER.entries()) {
                if (attentionBias || entry.role() != BlockWeights.Role.BIAS) {
                    tensors.put("layers." + i + "." + entry.name(), entry.shape(this::size));
                }
            }
        }
        return tensors;
    }

    private long size(BlockWeights.Size size) {
        return switch (size) {
            case HIDDEN -> hiddenSize;
            case HEAD -> headDim;
            case QUERIES -> (long) heads * headDim;
            case KEYS -> (long) kvHeads * headDim;
            case INNER -> intermediateSize;
            case TIME, MODULATIONS -> throw new IllegalArgumentException("a text encoder has no " + size);
        };
    }
}
