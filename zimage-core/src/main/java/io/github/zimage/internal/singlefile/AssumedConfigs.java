package io.github.zimage.internal.singlefile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The configurations of parts whose files have none: sizes are those of the tensors, all else is what the published models have. */
final class AssumedConfigs {
    private static final int MOST = 65_536;
    private static final int MOST_BLOCKS = 1000;
    private static final int HEAD = 128;
    private static final Pattern NUMBER = Pattern.compile("(\\d{1,3})\\..*");
    private static final List<Integer> AXES_LENS = List.of(1536, 512, 512);
    /** The group norms of levels with fewer channels than Z-Image's have fewer groups, too. */
    private static final int FULL_CHANNELS = 128;

    private final String file;
    private final Map<String, TensorEntry> tensors;
    private final Map<String, String> metadata;

    /**
     * Prepares for a part.
     *
     * @param file what messages call its file
     * @param tensors under diffusers' names, with the shapes they have
     * @param metadata what the file says beside
     */
    AssumedConfigs(String file, Map<String, TensorEntry> tensors, Map<String, String> metadata) {
        this.file = file;
        this.tensors = tensors;
        this.metadata = metadata;
    }

    /** Returns the transformer's. */
    TransformerConfig transformer() {
        int dim = size("layers.0.attention_norm1.weight", 0);
        int head = tensors.containsKey("layers.0.attention.norm_q.weight")
                ? size("layers.0.attention.norm_q.weight", 0)
                : HEAD;
        if (dim % head != 0 || head % 16 != 0) {
            throw new ModelLoadException(
                    "%s: layers.0.attention.norm_q.weight must have a multiple of 16 numbers that divides %d, but has %d"
                            .formatted(file, dim, head));
        }
        return new TransformerConfig(
                dim,
                count("layers"),
                count("noise_refiner"),
                dim / head,
                1e-5,
                tensors.containsKey("layers.0.attention.norm_q.weight"),
                size("cap_embedder.0.weight", 0),
                size("all_x_embedder.2-1.weight", 1) / (TransformerConfig.PATCH_SIZE * TransformerConfig.PATCH_SIZE),
                256,
                1000,
                List.of(head / 4, head * 3 / 8, head * 3 / 8),
                AXES_LENS);
    }

    /** Returns what was assumed of it. */
    static String notes(TransformerConfig config) {
        return "norm_eps %s, rope_theta %s, t_scale %s, axes_dims %s, axes_lens %s"
                .formatted(config.normEps(), config.ropeTheta(), config.tScale(), config.axesDims(), config.axesLens());
    }

    /** Returns the text encoder's. */
    TextEncoderConfig textEncoder() {
        int head = size("layers.0.self_attn.q_norm.weight", 0);
        int heads = size("layers.0.self_attn.q_proj.weight", 0) / head;
        int kvHeads = size("layers.0.self_attn.k_proj.weight", 0) / head;
        if (head % 2 != 0 || kvHeads == 0 || heads == 0 || heads % kvHeads != 0) {
            throw new ModelLoadException(
                    "%s: the rows of q_proj and k_proj must be heads of %d, an even number, and those of keys divide those of queries, but are %d and %d heads"
                            .formatted(file, head, heads, kvHeads));
        }
        return new TextEncoderConfig(
                size("layers.0.input_layernorm.weight", 0),
                count("layers"),
                heads,
                kvHeads,
                head,
                size("layers.0.mlp.gate_proj.weight", 0),
                said("qwen3.attention.layer_norm_rms_epsilon", 1e-6),
                said("qwen3.rope.freq_base", 1e6),
                Math.toIntExact(Math.min(Integer.MAX_VALUE, dimension("embed_tokens.weight", 0))),
                tensors.containsKey("layers.0.self_attn.q_proj.bias"));
    }

    /** Returns what was assumed of it. */
    static String notes(TextEncoderConfig config) {
        return "rms_norm_eps %s, rope_theta %s".formatted(config.rmsNormEps(), config.ropeTheta());
    }

    /** Returns the VAE's. */
    VaeConfig vae() {
        if (tensors.containsKey("post_quant_conv.weight")) {
            throw new ModelLoadException(
                    file + ": is another model's VAE (it has post_quant_conv); Z-Image's is that of FLUX.1");
        }
        List<Integer> channels = new ArrayList<>();
        int levels = count("decoder.up_blocks");
        for (int level = levels - 1; level >= 0; level--) {
            channels.add(size("decoder.up_blocks." + level + ".resnets.0.conv1.weight", 0));
        }
        boolean full = channels.stream().allMatch(each -> each >= FULL_CHANNELS);
        int groups = full ? 32 : 8;
        if (channels.size() < 2 || channels.size() > 6 || channels.stream().anyMatch(each -> each % groups != 0)) {
            throw new ModelLoadException("%s: must have 2 to 6 levels of channels that %d divides, but has %s"
                    .formatted(file, groups, channels));
        }
        return new VaeConfig(
                size("decoder.conv_in.weight", 1),
                channels,
                count("decoder.up_blocks.0.resnets") - 1,
                groups,
                0.3611,
                0.1159,
                false,
                tensors.keySet().stream().anyMatch(name -> name.startsWith("decoder.mid_block.attentions.")),
                3);
    }

    /** Returns what was assumed of it. */
    static String notes(VaeConfig config) {
        return "scaling_factor %s, shift_factor %s, norm_num_groups %s"
                .formatted(config.scalingFactor(), config.shiftFactor(), config.normNumGroups());
    }

    /** Returns the scheduler's: Turbo's. */
    static SchedulerConfig scheduler() {
        return new SchedulerConfig(1000, 3, false, 0.5, 1.15, 256, 4096, null, false);
    }

    /** Returns a number above 0 of the metadata, or another one where they do not say it. */
    private double said(String key, double otherwise) {
        String text = metadata.get(key);
        if (text == null) {
            return otherwise;
        }
        try {
            double value = Double.parseDouble(text);
            if (value > 0 && Double.isFinite(value)) {
                return value;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new ModelLoadException(
                "%s: %s must be a number above 0, but is %s".formatted(file, key, ModelFile.shown(text)));
    }

    /** Returns how many blocks there are, numbered from 0 without a gap. */
    private int count(String blocks) {
        boolean[] there = new boolean[MOST_BLOCKS];
        for (String name : tensors.keySet()) {
            Matcher number = NUMBER.matcher(name.startsWith(blocks + ".") ? name.substring(blocks.length() + 1) : "");
            if (number.matches()) {
                there[Integer.parseInt(number.group(1))] = true;
            }
        }
        int count = 0;
        while (count < MOST_BLOCKS && there[count]) {
            count++;
        }
        if (count == 0) {
            throw new ModelLoadException(file + ": must have " + blocks + ".0, but has not");
        }
        return count;
    }

    private int size(String name, int dimension) {
        long size = dimension(name, dimension);
        if (size < 1 || size > MOST) {
            throw new ModelLoadException("%s: %s must have 1 to %d as dimension %d, but has %d"
                    .formatted(file, name, MOST, dimension, size));
        }
        return (int) size;
    }

    private long dimension(String name, int dimension) {
        TensorEntry tensor = tensors.get(name);
        if (tensor == null || tensor.shape().size() <= dimension) {
            throw new ModelLoadException("%s: tensor %s is missing%s"
                    .formatted(file, name, tensor == null ? "" : ", or has too few dimensions"));
        }
        return tensor.shape().get(dimension);
    }
}
