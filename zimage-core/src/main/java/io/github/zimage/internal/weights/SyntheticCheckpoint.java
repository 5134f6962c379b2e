package io.github.zimage.internal.weights;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.SyntheticModel;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Writes a checkpoint folder with random weights; see {@link SyntheticModel}. */
public final class SyntheticCheckpoint {
    private static final long TRANSFORMERS_SHARD_BYTES = 4_000_000_000L;
    private static final long DIFFUSERS_SHARD_BYTES = 10_000_000_000L;
    /** Room that is left on the disk for the small files. */
    private static final long SPARE_BYTES = 16_000_000;

    private static final ObjectWriter JSON = new ObjectMapper().writerWithDefaultPrettyPrinter();

    private final TransformerConfig transformer;
    private final TextEncoderConfig textEncoder;
    private final VaeConfig vae;
    private final Precision storage;

    private SyntheticCheckpoint(
            TransformerConfig transformer, TextEncoderConfig textEncoder, VaeConfig vae, Precision storage) {
        this.transformer = transformer;
        this.textEncoder = textEncoder;
        this.vae = vae;
        this.storage = storage;
    }

    /**
     * Returns the plan of a checkpoint.
     *
     * @throws IllegalArgumentException if weights cannot be stored so
     */
    public static SyntheticCheckpoint of(SyntheticModel.Size size, Precision storage) {
        if (storage.isEightBit()) {
            throw new IllegalArgumentException("weights must be stored as FP32 or BF16, but was " + storage);
        }
        return switch (size) {
            case TINY ->
                new SyntheticCheckpoint(
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
                        new VaeConfig(16, List.of(16, 32, 32, 32), 1, 8, 0.3611, 0.1159, false, true, 3),
                        storage);
            case TURBO ->
                new SyntheticCheckpoint(
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
                        new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3),
                        storage);
        };
    }

    /** Returns how many bytes all weights take. */
    public long byteSize() {
        return Component.values().stream()
                .flatMap(component -> tensors(component).stream())
                .mapToLong(SafetensorsWriter.Tensor::byteSize)
                .sum();
    }

    /** Writes the checkpoint; the contract is that of {@link SyntheticModel#write}. */
    public void write(Path folder, long seed, LongConsumer onProgress) {
        Path target = folder.toAbsolutePath().normalize();
        Deque<Path> made = new ArrayDeque<>();
        boolean done = false;
        try {
            requireEmpty(target);
            requireSpace(target);
            makeFolders(target, made);
            try {
                writeFiles(target, seed, onProgress, made);
                done = true;
            } finally {
                if (!done) {
                    for (Path path : made) {
                        Files.deleteIfExists(path);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "the checkpoint cannot be written to " + target + ": "
                            + e.getClass().getSimpleName() + " " + e.getMessage(),
                    e);
        }
    }

    private static void requireEmpty(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        if (!Files.isDirectory(folder)) {
            throw new IllegalArgumentException("folder must be new or empty, but " + folder + " is a file");
        }
        try (Stream<Path> files = Files.list(folder)) {
            if (files.findAny().isPresent()) {
                throw new IllegalArgumentException("folder must be new or empty, but " + folder + " is not empty");
            }
        }
    }

    private void requireSpace(Path folder) throws IOException {
        Path existing = folder;
        while (!Files.exists(existing)) {
            Path parent = existing.getParent();
            if (parent == null) {
                return;
            }
            existing = parent;
        }
        requireSpace(
                existing, byteSize() + SPARE_BYTES, Files.getFileStore(existing).getUsableSpace());
    }

    static void requireSpace(Path folder, long needed, long free) {
        if (free < needed) {
            throw new ZImageException(String.format(
                    Locale.ROOT,
                    "the checkpoint needs %.1f GB on the disk of %s, but only %.1f GB are free",
                    needed / 1e9,
                    folder,
                    free / 1e9));
        }
    }

    private static void makeFolders(Path folder, Deque<Path> made) throws IOException {
        Deque<Path> missing = new ArrayDeque<>();
        for (Path path = folder; path != null && !Files.exists(path); path = path.getParent()) {
            missing.push(path);
        }
        for (Path path : missing) {
            Files.createDirectory(path);
            made.push(path);
        }
    }

    /** {@code model_index.json} comes last: a folder without it is not taken for a checkpoint. */
    private void writeFiles(Path folder, long seed, LongConsumer onProgress, Deque<Path> made) throws IOException {
        Weights weights = new Weights(seed, onProgress);
        writeWeights(folder, Component.TEXT_ENCODER, weights, made);
        writeJson(folder.resolve("text_encoder/config.json"), textEncoderJson(), made);
        writeWeights(folder, Component.TRANSFORMER, weights, made);
        writeJson(folder.resolve("transformer/config.json"), transformerJson(), made);
        writeWeights(folder, Component.VAE, weights, made);
        writeJson(folder.resolve("vae/config.json"), vaeJson(), made);
        writeJson(folder.resolve("scheduler/scheduler_config.json"), schedulerJson(), made);
        writeJson(folder.resolve("tokenizer/tokenizer.json"), SyntheticTokenizer.tokenizer(), made);
        writeJson(folder.resolve("tokenizer/tokenizer_config.json"), SyntheticTokenizer.config(), made);
        writeJson(folder.resolve("model_index.json"), modelIndexJson(), made);
    }

    private static void writeJson(Path file, Map<String, ?> object, Deque<Path> made) throws IOException {
        Path folder = file.getParent();
        if (folder != null) {
            makeFolders(folder, made);
        }
        made.push(file);
        Files.write(file, JSON.writeValueAsBytes(object));
    }

    private void writeWeights(Path root, Component component, Weights weights, Deque<Path> made) throws IOException {
        String stem = component.equals(Component.TEXT_ENCODER) ? "model" : "diffusion_pytorch_model";
        Path folder = root.resolve(component.folder());
        makeFolders(folder, made);
        List<List<SafetensorsWriter.Tensor>> shards = shards(component);
        Map<String, String> weightMap = new LinkedHashMap<>();
        long total = 0;
        for (int i = 0; i < shards.size(); i++) {
            String name = shards.size() == 1
                    ? stem + ".safetensors"
                    : String.format(Locale.ROOT, "%s-%05d-of-%05d.safetensors", stem, i + 1, shards.size());
            made.push(folder.resolve(name));
            try (SafetensorsWriter writer =
                    new SafetensorsWriter(folder.resolve(name), shards.get(i), Map.of("format", "pt"))) {
                for (SafetensorsWriter.Tensor tensor : shards.get(i)) {
                    weights.write(tensor, writer);
                    weightMap.put(tensor.name(), name);
                }
                total += writer.dataBytes();
                writer.commit();
            }
        }
        if (shards.size() > 1) {
            writeJson(
                    folder.resolve(stem + ".safetensors.index.json"),
                    ordered("metadata", Map.of("total_size", total), "weight_map", weightMap),
                    made);
        }
    }

    /** Returns what goes into each file: one after the other is filled up to a limit. */
    List<List<SafetensorsWriter.Tensor>> shards(Component component) {
        long limitBytes = component.equals(Component.TEXT_ENCODER) ? TRANSFORMERS_SHARD_BYTES : DIFFUSERS_SHARD_BYTES;
        List<List<SafetensorsWriter.Tensor>> shards = new ArrayList<>();
        List<SafetensorsWriter.Tensor> shard = new ArrayList<>();
        long bytes = 0;
        for (SafetensorsWriter.Tensor tensor : tensors(component)) {
            if (!shard.isEmpty() && bytes + tensor.byteSize() > limitBytes) {
                shards.add(shard);
                shard = new ArrayList<>();
                bytes = 0;
            }
            shard.add(tensor);
            bytes += tensor.byteSize();
        }
        shards.add(shard);
        return shards;
    }

    private List<SafetensorsWriter.Tensor> tensors(Component component) {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        if (component.equals(Component.TEXT_ENCODER)) {
            textEncoder.fileTensors().forEach((name, shape) -> shapes.put("model." + name, shape));
        } else if (component.equals(Component.TRANSFORMER)) {
            shapes.putAll(transformer.tensors());
        } else {
            shapes.putAll(vae.encoderTensors(vae.outChannels(), false));
            shapes.putAll(vae.tensors());
        }
        StorageType type = storage == Precision.BF16 ? StorageType.BF16 : StorageType.F32;
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        shapes.forEach((name, shape) -> tensors.add(new SafetensorsWriter.Tensor(name, type, shape)));
        return tensors;
    }

    private static Map<String, Object> modelIndexJson() {
        return ordered(
                "_class_name", "ZImagePipeline",
                "_diffusers_version", "0.36.0",
                "scheduler", List.of("diffusers", "FlowMatchEulerDiscreteScheduler"),
                "text_encoder", List.of("transformers", "Qwen3Model"),
                "tokenizer", List.of("transformers", "Qwen2Tokenizer"),
                "transformer", List.of("diffusers", "ZImageTransformer2DModel"),
                "vae", List.of("diffusers", "AutoencoderKL"));
    }

    private static Map<String, Object> schedulerJson() {
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

    private Map<String, Object> transformerJson() {
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

    private Map<String, Object> textEncoderJson() {
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

    private Map<String, Object> vaeJson() {
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

    /**
     * Random weights. A table of normal numbers is drawn once; a tensor is filled with pieces of it from random places, so
     * that the disk sets the pace.
     */
    private static final class Weights {
        private static final int TABLE = 1 << 20;
        private static final int MIN_PIECE = 1 << 13;
        private static final int MAX_PIECE = 1 << 16;

        private final float[] normals = new float[TABLE];
        private final ByteBuffer encoded =
                ByteBuffer.allocateDirect(TABLE * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        private final Random random;
        private final LongConsumer onProgress;
        private long written;

        Weights(long seed, LongConsumer onProgress) {
            this.random = new Random(seed);
            this.onProgress = onProgress;
            for (int i = 0; i < TABLE; i++) {
                normals[i] = (float) random.nextGaussian();
            }
        }

        void write(SafetensorsWriter.Tensor tensor, SafetensorsWriter writer) throws IOException {
            int bytes = tensor.type().bytes();
            long elements = tensor.byteSize() / bytes;
            int distinct = (int) Math.min(elements, TABLE);
            encode(tensor, distinct);
            for (long left = elements; left > 0; ) {
                int most = (int) Math.min(left, Math.min(distinct, MIN_PIECE + random.nextInt(MAX_PIECE - MIN_PIECE)));
                int start = elements > distinct ? random.nextInt(distinct - most + 1) : (int) (elements - left);
                writer.write(encoded.limit((start + most) * bytes).position(start * bytes));
                encoded.clear();
                left -= most;
                written += (long) most * bytes;
                onProgress.accept(written);
            }
        }

        /** Puts the first numbers of the tensor into the buffer. */
        private void encode(SafetensorsWriter.Tensor tensor, int count) {
            float mean = mean(tensor);
            float deviation = deviation(tensor);
            int start = random.nextInt(TABLE);
            encoded.clear();
            if (tensor.type() == StorageType.BF16) {
                for (int i = 0; i < count; i++) {
                    float value = mean + deviation * normals[(start + i) & (TABLE - 1)];
                    encoded.putShort(NumberConversion.bf16(Float.floatToRawIntBits(value)));
                }
            } else {
                for (int i = 0; i < count; i++) {
                    encoded.putFloat(mean + deviation * normals[(start + i) & (TABLE - 1)]);
                }
            }
            encoded.clear();
        }

        private static boolean isNorm(SafetensorsWriter.Tensor tensor) {
            return tensor.shape().size() == 1 && tensor.name().endsWith(".weight");
        }

        private static float mean(SafetensorsWriter.Tensor tensor) {
            return isNorm(tensor) ? 1 : 0;
        }

        /** Keeps what comes out of a layer about as large as what goes in. */
        private static float deviation(SafetensorsWriter.Tensor tensor) {
            if (isNorm(tensor)) {
                return 0.05f;
            }
            if (tensor.name().endsWith(".bias")) {
                return 0.02f;
            }
            if (tensor.name().contains("embed_tokens") || tensor.name().endsWith("_pad_token")) {
                return 1;
            }
            long fanIn =
                    tensor.shape().stream().skip(1).mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
            return (float) (1 / Math.sqrt((double) fanIn));
        }
    }
}
