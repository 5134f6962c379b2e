package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How the engine wants the weights of transformer and text encoder: each in the type it is computed in, aligned, a matrix of 8-bit
 * integers with a scale for each of its rows behind it; first those outside
 * of all blocks, then block by block. A block is one run of bytes; what is multiplied by the same input lies side by side, and what
 * only depends on the timestep comes last.
 */
public final class EngineLayout {
    /** Has to change whenever types or order do, so that no file of an older layout is taken for one of this. */
    static final int VERSION = 1;

    private static final String PADDING = "zimage.padding.";

    private EngineLayout() {}

    /** Returns whether weights of a component can be kept converted. */
    public static boolean supports(Component component) {
        return BlockWeights.of(component) != null;
    }

    /**
     * Returns the type that a weight is computed in.
     *
     * @param component transformer or text encoder
     * @param name as in the configuration's {@code tensors()}
     */
    public static StorageType type(Component component, String name, Precision precision) {
        BlockWeights.Role role = weights(component).role(name);
        boolean single = precision == Precision.FP32
                || !role.isInPrecision()
                || (precision == Precision.INT8 && role == BlockWeights.Role.BIAS);
        if (single) {
            return StorageType.F32;
        }
        return precision == Precision.INT8 && role.isProduct() ? StorageType.I8 : StorageType.BF16;
    }

    private static BlockWeights weights(Component component) {
        BlockWeights weights = BlockWeights.of(component);
        if (weights == null) {
            throw new IllegalArgumentException(
                    "component must be the transformer or the text encoder, but was " + component);
        }
        return weights;
    }

    /** Returns how many bytes of weights cannot be used as they are stored, but have to be converted. */
    public static long unsuitedBytes(Component component, WeightIndex index, Precision precision) {
        return index.tensors().values().stream()
                .filter(tensor -> tensor.type() != type(component, tensor.name(), precision)
                        || tensor.file() == null
                        || tensor.offset() % tensor.type().bytes() != 0)
                .mapToLong(TensorEntry::byteSize)
                .sum();
    }

    /** Returns what a file in this layout holds: all weights of the index, and fillers where one would not be aligned. */
    static List<SafetensorsWriter.Tensor> tensors(Component component, WeightIndex index, Precision precision) {
        Map<String, List<TensorEntry>> runs = new LinkedHashMap<>();
        List<TensorEntry> outside = new ArrayList<>();
        runs.put("", outside);
        for (TensorEntry tensor : index.tensors().values()) {
            String block = weights(component).block(tensor.name());
            runs.computeIfAbsent(block == null ? "" : block, name -> new ArrayList<>())
                    .add(tensor);
        }
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        for (List<TensorEntry> run : runs.values()) {
            if (run != outside) {
                run.sort(Comparator.comparing(tensor -> weights(component).role(tensor.name())));
            }
            for (TensorEntry entry : run) {
                StorageType type = type(component, entry.name(), precision);
                add(tensors, new SafetensorsWriter.Tensor(entry.name(), type, entry.shape()));
                if (type == StorageType.I8) {
                    List<Long> rows = List.of(entry.shape().get(0));
                    add(tensors, new SafetensorsWriter.Tensor(RowRounding.scales(entry.name()), StorageType.F32, rows));
                }
            }
        }
        return tensors;
    }

    private static void add(List<SafetensorsWriter.Tensor> tensors, SafetensorsWriter.Tensor tensor) {
        tensors.add(tensor);
        long padding = Math.floorMod(-tensor.byteSize(), (long) SafetensorsWriter.ALIGNMENT);
        if (padding > 0) {
            tensors.add(new SafetensorsWriter.Tensor(PADDING + tensors.size(), StorageType.U8, List.of(padding)));
        }
    }

    /** Returns whether a tensor is a filler. */
    static boolean isPadding(String name) {
        return name.startsWith(PADDING);
    }
}
