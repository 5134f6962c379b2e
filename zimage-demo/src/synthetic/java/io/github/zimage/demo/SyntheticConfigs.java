package io.github.zimage.demo;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The configurations of a synthetic checkpoint, and how they stand in its files. */
record SyntheticConfigs(TransformerConfig transformer, TextEncoderConfig textEncoder, VaeConfig vae) {
    static SyntheticConfigs of(SyntheticModel.Size size) {
        return switch (size) {
            case TINY ->
                new SyntheticConfigs(
                        new TransformerConfig(
                                96,
                                3,
                                1,
                                3,
                                1e-5,
                                true,
                                64,
                                16,
                                256,
                                1000,
                                List.of(8, 12, 12),
                                List.of(1536, 512, 512)),
                        new TextEncoderConfig(64, 3, 4, 2, 32, 128, 1e-6, 1e6, 512, false),
                        new VaeConfig(16, List.of(16, 32, 32, 32), 1, 8, 0.3611, 0.1159, false, true, 3));
            case TURBO ->
                new SyntheticConfigs(
                        new TransformerConfig(
                                3840,
                                30,
                                2,
                                30,
                                1e-5,
                                true,
                                2560,
                                16,
                                256,
                                1000,
                                List.of(32, 48, 48),
                                List.of(1536, 512, 512)),
                        new TextEncoderConfig(2560, 36, 32, 8, 128, 9728, 1e-6, 1e6, 151_936, false),
                        new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3));
        };
    }

    static Map<String, Object> modelIndexJson() {
        return ordered(
                "_class_name", "ZImagePipeline",
                "_diffusers_version", "0.36.0",
                "scheduler", List.of("diffusers", "FlowMatchEulerDiscreteScheduler"),
                "text_encoder", List.of("transformers", "Qwen3Model"),
                "tokenizer", List.of("transformers", "Qwen2Tokenizer"),
                "transformer", List.of("diffusers", "ZImageTransformer2DModel"),
                "vae", List.of("diffusers", "AutoencoderKL"));
    }

    static Map<String, Object> schedulerJson() {
        return ordered(
                "_class_name",
                "FlowMatchEulerDiscreteScheduler",
                "_diffusers_version",
                "0.36.0",
                "num_train_timesteps",
                1000,
                "shift",
                3.0,
                "use_dynamic_shifting",
                false);
    }

    Map<String, Object> transformerJson() {
        return ordered(
                "_class_name", "ZImageTransformer2DModel",
                "_diffusers_version", "0.36.0",
                "all_f_patch_size", List.of(1),
                "all_patch_size", List.of(TransformerConfig.PATCH_SIZE),
                "axes_dims", transformer.axesDims(),
                "axes_lens", transformer.axesLens(),
                "cap_feat_dim", transformer.capFeatDim(),
                "dim", transformer.dim(),
                "in_channels", transformer.inChannels(),
                "n_heads", transformer.heads(),
                "n_kv_heads", transformer.heads(),
                "n_layers", transformer.layers(),
                "n_refiner_layers", transformer.refinerLayers(),
                "norm_eps", transformer.normEps(),
                "qk_norm", transformer.qkNorm(),
                "rope_theta", transformer.ropeTheta(),
                "t_scale", transformer.tScale());
    }

    Map<String, Object> textEncoderJson(Precision storage) {
        return ordered(
                "architectures", List.of("Qwen3ForCausalLM"),
                "attention_bias", textEncoder.attentionBias(),
                "head_dim", textEncoder.headDim(),
                "hidden_act", "silu",
                "hidden_size", textEncoder.hiddenSize(),
                "intermediate_size", textEncoder.intermediateSize(),
                "max_position_embeddings", 40_960,
                "model_type", "qwen3",
                "num_attention_heads", textEncoder.heads(),
                "num_hidden_layers", textEncoder.layers(),
                "num_key_value_heads", textEncoder.kvHeads(),
                "rms_norm_eps", textEncoder.rmsNormEps(),
                "rope_theta", textEncoder.ropeTheta(),
                "tie_word_embeddings", true,
                "torch_dtype", storage == Precision.BF16 ? "bfloat16" : "float32",
                "use_sliding_window", false,
                "vocab_size", textEncoder.vocabSize());
    }

    Map<String, Object> vaeJson() {
        int levels = vae.blockOutChannels().size();
        return ordered(
                "_class_name", "AutoencoderKL",
                "_diffusers_version", "0.36.0",
                "act_fn", "silu",
                "block_out_channels", vae.blockOutChannels(),
                "down_block_types",
                        Stream.generate(() -> "DownEncoderBlock2D")
                                .limit(levels)
                                .toList(),
                "force_upcast", true,
                "in_channels", vae.outChannels(),
                "latent_channels", vae.latentChannels(),
                "layers_per_block", vae.layersPerBlock(),
                "mid_block_add_attention", vae.midBlockAddAttention(),
                "norm_num_groups", vae.normNumGroups(),
                "out_channels", vae.outChannels(),
                "sample_size", 1024,
                "scaling_factor", vae.scalingFactor(),
                "shift_factor", vae.shiftFactor(),
                "up_block_types",
                        Stream.generate(() -> "UpDecoderBlock2D").limit(levels).toList(),
                "use_post_quant_conv", vae.usePostQuantConv(),
                "use_quant_conv", false);
    }

    /** Returns a map of keys and values in turn, in that order. */
    static Map<String, Object> ordered(@Nullable Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return map;
    }
}
