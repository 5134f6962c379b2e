package io.github.zimage.internal.config;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The shape of the variational autoencoder: {@code vae/config.json}.
 *
 * @param latentChannels number of latent channels
 * @param blockOutChannels channels of the levels, the finest first
 * @param layersPerBlock residual blocks of a level in the encoder; the decoder has one more
 * @param normNumGroups number of groups of the group norms, which divides all channels
 * @param scalingFactor what latents are divided by before they are decoded
 * @param shiftFactor what is added to them after that
 * @param usePostQuantConv whether a 1x1 convolution comes before the decoder
 * @param midBlockAddAttention whether the coarsest level has attention
 * @param outChannels channels of the picture
 * @param useQuantConv whether a 1x1 convolution comes behind the encoder
 * @param latentColours for each latent channel what it adds to red, green and blue between -1 and 1, and behind that what they are without: {@code
 *     latent_rgb_factors} and {@code latent_rgb_factors_bias}; empty if they are not said
 */
public record VaeConfig(
        int latentChannels,
        List<Integer> blockOutChannels,
        int layersPerBlock,
        int normNumGroups,
        double scalingFactor,
        double shiftFactor,
        boolean usePostQuantConv,
        boolean midBlockAddAttention,
        int outChannels,
        boolean useQuantConv,
        List<Float> latentColours) {
    private static final int MAX_LEVELS = 6;
    private static final int MAX_CHANNELS = 65_536;

    /** As the other one, with a convolution behind the encoder if there is one before the decoder. */
    public VaeConfig(
            int latentChannels,
            List<Integer> blockOutChannels,
            int layersPerBlock,
            int normNumGroups,
            double scalingFactor,
            double shiftFactor,
            boolean usePostQuantConv,
            boolean midBlockAddAttention,
            int outChannels) {
        this(
                latentChannels,
                blockOutChannels,
                layersPerBlock,
                normNumGroups,
                scalingFactor,
                shiftFactor,
                usePostQuantConv,
                midBlockAddAttention,
                outChannels,
                usePostQuantConv,
                List.of());
    }

    /** Creates a configuration; the lists are copied. */
    public VaeConfig {
        latentColours = List.copyOf(latentColours);
        blockOutChannels = List.copyOf(blockOutChannels);
    }

    /** Returns how many pixels a latent is wide and high. */
    public int scale() {
        return 1 << (blockOutChannels.size() - 1);
    }

    /**
     * Reads a configuration.
     *
     * @throws ModelLoadException if it is damaged, impossible, or of a model that is not supported
     */
    public static VaeConfig read(Path json) {
        ConfigFile file = ConfigFile.read(json);
        file.onlyText("_class_name", "AutoencoderKL");
        file.onlyText("act_fn", "silu", "swish");
        file.onlyNull("latents_mean", "latents_std", "quantization_config");
        int latentChannels = file.integer("latent_channels", 4, 1, 4096);
        VaeConfig config = new VaeConfig(
                latentChannels,
                file.integers("block_out_channels", List.of(64), 1, MAX_CHANNELS),
                file.integer("layers_per_block", 1, 1, 100),
                file.integer("norm_num_groups", 32, 1, MAX_CHANNELS),
                file.positive("scaling_factor", 0.18215),
                file.has("shift_factor") ? file.number("shift_factor", 0) : 0,
                file.flag("use_post_quant_conv", true),
                file.flag("mid_block_add_attention", true),
                file.integer("out_channels", 3, 3, 3),
                file.flag("use_quant_conv", true),
                latentColours(file, latentChannels));
        file.integer("in_channels", 3, 3, 3);
        int levels = config.blockOutChannels.size();
        if (levels < 2 || levels > MAX_LEVELS) {
            throw file.wrong("block_out_channels", "must have 2 to " + MAX_LEVELS + " entries", levels);
        }
        for (int channels : config.blockOutChannels) {
            if (channels % config.normNumGroups != 0) {
                throw file.wrong(
                        "block_out_channels",
                        "must be multiples of norm_num_groups = " + config.normNumGroups,
                        channels);
            }
        }
        requireBlocks(file, "up_block_types", List.of("UpDecoderBlock2D"), levels);
        requireBlocks(file, "down_block_types", Collections.nCopies(levels, "DownEncoderBlock2D"), levels);
        return config;
    }

    private static List<Float> latentColours(ConfigFile file, int channels) {
        List<Float> colours = new ArrayList<>(file.rows("latent_rgb_factors", channels, 3));
        if (!colours.isEmpty()) {
            for (double bias : file.has("latent_rgb_factors_bias")
                    ? file.numbers("latent_rgb_factors_bias", 3)
                    : List.of(0.0, 0.0, 0.0)) {
                colours.add((float) bias);
            }
        }
        return colours;
    }

    /** @param otherwise what there is if the file does not say it; its first entry is the only one supported */
    private static void requireBlocks(ConfigFile file, String name, List<String> otherwise, int levels) {
        List<String> blocks = file.texts(name, otherwise);
        String supported = otherwise.get(0);
        if (blocks.size() != levels) {
            throw file.wrong(name, "must have as many entries as block_out_channels, " + levels, blocks.size());
        }
        for (String block : blocks) {
            if (!block.equals(supported)) {
                throw file.wrong(name, "must be " + supported + " throughout", ModelFile.quote(block));
            }
        }
    }

    /** Returns the shapes of the decoder's weights by their names in the checkpoint, in its order. */
    public Map<String, List<Long>> tensors() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        int levels = blockOutChannels.size();
        int coarsest = blockOutChannels.get(levels - 1);
        conv(tensors, "decoder.conv_in", coarsest, latentChannels, 3);
        int in = coarsest;
        for (int i = 0; i < levels; i++) {
            int out = blockOutChannels.get(levels - 1 - i);
            String prefix = "decoder.up_blocks." + i + ".";
            for (int j = 0; j <= layersPerBlock; j++) {
                resnet(tensors, prefix + "resnets." + j, j == 0 ? in : out, out);
            }
            if (i < levels - 1) {
                conv(tensors, prefix + "upsamplers.0.conv", out, out, 3);
            }
            in = out;
        }
        middle(tensors, "decoder.mid_block.", coarsest);
        norm(tensors, "decoder.conv_norm_out", in);
        conv(tensors, "decoder.conv_out", outChannels, in, 3);
        if (usePostQuantConv) {
            conv(tensors, "post_quant_conv", latentChannels, latentChannels, 1);
        }
        return tensors;
    }

    /** Returns the shapes of the encoder's weights by their names in the checkpoint, in its order. */
    public Map<String, List<Long>> encoderTensors() {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        int levels = blockOutChannels.size();
        int in = blockOutChannels.get(0);
        conv(tensors, "encoder.conv_in", in, outChannels, 3);
        for (int i = 0; i < levels; i++) {
            int out = blockOutChannels.get(i);
            String prefix = "encoder.down_blocks." + i + ".";
            for (int j = 0; j < layersPerBlock; j++) {
                resnet(tensors, prefix + "resnets." + j, j == 0 ? in : out, out);
            }
            if (i < levels - 1) {
                conv(tensors, prefix + "downsamplers.0.conv", out, out, 3);
            }
            in = out;
        }
        middle(tensors, "encoder.mid_block.", in);
        norm(tensors, "encoder.conv_norm_out", in);
        conv(tensors, "encoder.conv_out", 2L * latentChannels, in, 3);
        if (useQuantConv) {
            conv(tensors, "quant_conv", 2L * latentChannels, 2L * latentChannels, 1);
        }
        return tensors;
    }

    private void middle(Map<String, List<Long>> tensors, String prefix, int channels) {
        if (midBlockAddAttention) {
            String attention = prefix + "attentions.0.";
            norm(tensors, attention + "group_norm", channels);
            for (String projection : List.of("to_q", "to_k", "to_v", "to_out.0")) {
                tensors.put(attention + projection + ".weight", List.of((long) channels, (long) channels));
                tensors.put(attention + projection + ".bias", List.of((long) channels));
            }
        }
        resnet(tensors, prefix + "resnets.0", channels, channels);
        resnet(tensors, prefix + "resnets.1", channels, channels);
    }

    private static void resnet(Map<String, List<Long>> tensors, String name, int in, int out) {
        norm(tensors, name + ".norm1", in);
        conv(tensors, name + ".conv1", out, in, 3);
        norm(tensors, name + ".norm2", out);
        conv(tensors, name + ".conv2", out, out, 3);
        if (in != out) {
            conv(tensors, name + ".conv_shortcut", out, in, 1);
        }
    }

    private static void norm(Map<String, List<Long>> tensors, String name, long channels) {
        tensors.put(name + ".weight", List.of(channels));
        tensors.put(name + ".bias", List.of(channels));
    }

    private static void conv(Map<String, List<Long>> tensors, String name, long out, long in, long kernel) {
        tensors.put(name + ".weight", List.of(out, in, kernel, kernel));
        tensors.put(name + ".bias", List.of(out));
    }
}
