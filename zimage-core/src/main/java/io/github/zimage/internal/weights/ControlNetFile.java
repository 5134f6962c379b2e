package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.ControlNetConfig.Facts;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A ControlNet's weights, in one safetensors file or in a folder of diffusers. What it is, the tensors say, not the names of files.
 *
 * @param index its weights under the names of diffusers
 * @param facts what they say
 */
public record ControlNetFile(WeightIndex index, Facts facts) {
    private static final String STEM = "diffusion_pytorch_model";
    private static final int PIECE = 1 << 16;
    private static final Pattern BLOCK =
            Pattern.compile("(%s|%s)\\.(\\d{1,4})\\..*".formatted(ControlNetConfig.LAYERS, ControlNetConfig.REFINER));

    /**
     * Opens a ControlNet and reads its headers.
     *
     * @param path a safetensors file, or a folder
     * @throws ModelLoadException if it is missing, damaged, or no ControlNet of Z-Image
     */
    public static ControlNetFile open(Path path) {
        Path absolute = path.toAbsolutePath().normalize();
        boolean folder = Files.isDirectory(absolute);
        WeightIndex index = folder
                ? WeightFiles.open(absolute, STEM, null)
                : WeightIndex.of(
                        ModelFile.name(absolute),
                        SafetensorsHeader.read(absolute).tensors());
        Path json = absolute.resolve("config.json");
        ConfigFile config = folder && Files.exists(json) ? ConfigFile.read(json) : null;
        return new ControlNetFile(index, facts(ModelFile.name(absolute), index, config));
    }

    /** Returns whether a file of tensors is a ControlNet's, by the names in it. */
    public static boolean isOne(Set<String> names) {
        return names.contains(ControlNetConfig.EMBEDDER + ".weight");
    }

    private static Facts facts(String label, WeightIndex index, @Nullable ConfigFile config) {
        TensorEntry embedder = index.tensors().get(ControlNetConfig.EMBEDDER + ".weight");
        if (embedder == null || embedder.shape().size() != 2 || embedder.shape().get(1) % PATCH != 0) {
            throw new ModelLoadException(label + ": no ControlNet of Z-Image: it must have the tensor "
                    + ControlNetConfig.EMBEDDER + ".weight of two dimensions, "
                    + (embedder == null ? "but has none of that name" : "but that has " + embedder.shape()));
        }
        return new Facts(
                label,
                embedder.shape().get(0),
                Math.toIntExact(Math.min(embedder.shape().get(1) / PATCH, 1 << 20)),
                count(label, index, ControlNetConfig.LAYERS),
                count(label, index, ControlNetConfig.REFINER),
                isTrained(label, index, ControlNetConfig.REFINER + ControlNetConfig.BEFORE + ".weight"),
                config);
    }

    private static final int PATCH = TransformerConfig.PATCH_SIZE * TransformerConfig.PATCH_SIZE;

    private static int count(String label, WeightIndex index, String kind) {
        Set<Integer> numbers = new TreeSet<>();
        for (String name : index.tensors().keySet()) {
            Matcher block = BLOCK.matcher(name);
            if (block.matches() && block.group(1).equals(kind)) {
                numbers.add(Integer.parseInt(block.group(2)));
            }
        }
        int next = 0;
        for (int number : numbers) {
            if (number != next++) {
                throw new ModelLoadException(
                        "%s: %s must be numbered from 0 on, but there is no block %d before block %d"
                                .formatted(label, kind, next - 1, number));
            }
        }
        return next;
    }

    /** Returns whether a tensor is there and not all zeros, as training begins with. */
    private static boolean isTrained(String label, WeightIndex index, String name) {
        TensorEntry tensor = index.tensors().get(name);
        if (tensor == null) {
            return false;
        }
        try (TensorFiles files = new TensorFiles()) {
            for (long at = 0; at < tensor.byteSize(); at += PIECE) {
                ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, tensor.byteSize() - at));
                files.read(tensor, at, piece);
                for (byte each : piece.array()) {
                    if (each != 0 && each != Byte.MIN_VALUE) { // zeros may be negative
                        return true;
                    }
                }
            }
            return false;
        } catch (IOException e) {
            throw new ModelLoadException(label + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Matches it with a transformer.
     *
     * @throws ModelLoadException if it is for another one, of no variant that is known, or lacks a weight
     */
    public ControlNetConfig config(TransformerConfig base) {
        return ControlNetConfig.of(facts, base);
    }

    /**
     * Returns where the weights lie that the engine uses: exactly those of the configuration's {@code tensors()}.
     *
     * @throws ModelLoadException if one is missing, or of another shape
     */
    public WeightIndex weights(ControlNetConfig config) {
        Map<String, TensorEntry> zeros = new LinkedHashMap<>();
        Map<String, List<Long>> expected = config.tensors();
        for (String block : config.withoutHint()) {
            for (String name : List.of(block + ".after_proj.weight", block + ".after_proj.bias")) {
                List<Long> shape = expected.getOrDefault(name, List.of());
                zeros.put(name, new Zeros(Math.toIntExact(shape.get(shape.size() - 1))).entry(name, shape));
            }
        }
        WeightIndex all = index.with(zeros);
        all.check(expected, "a ControlNet " + config.variant().title() + " for this model");
        return all.selected(expected.keySet());
    }

    /** Zeros, for a projection that nothing is made of. */
    private static final class Zeros extends RowData {
        Zeros(int columns) {
            super(columns);
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) {}

        @Override
        public List<Path> files() {
            return List.of();
        }

        @Override
        public String key() {
            return "zeros";
        }
    }
}
