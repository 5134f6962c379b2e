package io.github.zimage.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

/** Writes a checkpoint folder with random weights; see {@link SyntheticModel}. */
final class SyntheticCheckpoint {
    private static final long TRANSFORMERS_SHARD_BYTES = 4_000_000_000L;
    private static final long DIFFUSERS_SHARD_BYTES = 10_000_000_000L;
    /** Room that is left on the disk for the small files. */
    private static final long SPARE_BYTES = 16_000_000;

    private static final ObjectWriter JSON = new ObjectMapper().writerWithDefaultPrettyPrinter();

    private final SyntheticConfigs configs;
    private final Precision storage;

    private SyntheticCheckpoint(SyntheticConfigs configs, Precision storage) {
        this.configs = configs;
        this.storage = storage;
    }

    /**
     * Returns the plan of a checkpoint.
     *
     * @throws IllegalArgumentException if weights cannot be stored so
     */
    static SyntheticCheckpoint of(SyntheticModel.Size size, Precision storage) {
        if (storage.isEightBit()) {
            throw new IllegalArgumentException("weights must be stored as FP32 or BF16, but was " + storage);
        }
        return new SyntheticCheckpoint(SyntheticConfigs.of(size), storage);
    }

    /** The weights of a component, as they lie in its folder. */
    record Part(String folder, String stem, List<SafetensorsWriter.Tensor> tensors, long shardBytes) {
        /** Returns what goes into each file: one after the other is filled up to a limit. */
        List<List<SafetensorsWriter.Tensor>> shards() {
            List<List<SafetensorsWriter.Tensor>> shards = new ArrayList<>();
            List<SafetensorsWriter.Tensor> shard = new ArrayList<>();
            long bytes = 0;
            for (SafetensorsWriter.Tensor tensor : tensors) {
                if (!shard.isEmpty() && bytes + tensor.byteSize() > shardBytes) {
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
    }

    Part textEncoder() {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        configs.textEncoder().fileTensors().forEach((name, shape) -> shapes.put("model." + name, shape));
        return new Part("text_encoder", "model", tensors(shapes), TRANSFORMERS_SHARD_BYTES);
    }

    Part transformer() {
        return new Part(
                "transformer",
                "diffusion_pytorch_model",
                tensors(configs.transformer().tensors()),
                DIFFUSERS_SHARD_BYTES);
    }

    Part vae() {
        VaeConfig vae = configs.vae();
        Map<String, List<Long>> shapes = new LinkedHashMap<>(vae.encoderTensors());
        shapes.putAll(vae.tensors());
        return new Part("vae", "diffusion_pytorch_model", tensors(shapes), DIFFUSERS_SHARD_BYTES);
    }

    private List<SafetensorsWriter.Tensor> tensors(Map<String, List<Long>> shapes) {
        StorageType type = storage == Precision.BF16 ? StorageType.BF16 : StorageType.F32;
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        shapes.forEach((name, shape) -> tensors.add(new SafetensorsWriter.Tensor(name, type, shape)));
        return tensors;
    }

    /** Returns how many bytes all weights take. */
    long byteSize() {
        return Stream.of(textEncoder(), transformer(), vae())
                .flatMap(part -> part.tensors().stream())
                .mapToLong(SafetensorsWriter.Tensor::byteSize)
                .sum();
    }

    /** Writes the checkpoint; the contract is that of {@link SyntheticModel#write}. */
    void write(Path folder, long seed, LongConsumer onProgress) {
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
        SyntheticWeights weights = new SyntheticWeights(seed, onProgress);
        writeWeights(folder, textEncoder(), weights, made);
        writeJson(folder.resolve("text_encoder/config.json"), configs.textEncoderJson(storage), made);
        writeWeights(folder, transformer(), weights, made);
        writeJson(folder.resolve("transformer/config.json"), configs.transformerJson(), made);
        writeWeights(folder, vae(), weights, made);
        writeJson(folder.resolve("vae/config.json"), configs.vaeJson(), made);
        writeJson(folder.resolve("scheduler/scheduler_config.json"), SyntheticConfigs.schedulerJson(), made);
        writeJson(folder.resolve("tokenizer/tokenizer.json"), SyntheticTokenizer.tokenizer(), made);
        writeJson(folder.resolve("tokenizer/tokenizer_config.json"), SyntheticTokenizer.config(), made);
        writeJson(folder.resolve("model_index.json"), SyntheticConfigs.modelIndexJson(), made);
    }

    private static void writeWeights(Path root, Part part, SyntheticWeights weights, Deque<Path> made)
            throws IOException {
        Path folder = root.resolve(part.folder());
        makeFolders(folder, made);
        List<List<SafetensorsWriter.Tensor>> shards = part.shards();
        Map<String, String> weightMap = new LinkedHashMap<>();
        long total = 0;
        for (int i = 0; i < shards.size(); i++) {
            String name = shards.size() == 1
                    ? part.stem() + ".safetensors"
                    : String.format(Locale.ROOT, "%s-%05d-of-%05d.safetensors", part.stem(), i + 1, shards.size());
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
                    folder.resolve(part.stem() + ".safetensors.index.json"),
                    SyntheticConfigs.ordered("metadata", Map.of("total_size", total), "weight_map", weightMap),
                    made);
        }
    }

    private static void writeJson(Path file, Map<String, ?> object, Deque<Path> made) throws IOException {
        Path folder = file.getParent();
        if (folder != null) {
            makeFolders(folder, made);
        }
        made.push(file);
        Files.write(file, JSON.writeValueAsBytes(object));
    }
}
