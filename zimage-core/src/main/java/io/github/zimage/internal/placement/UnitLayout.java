package io.github.zimage.internal.placement;

import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Where the weights of a block lie in memory that any block of its kind can be brought to: one after the other, each aligned. Those
 * that are multiplied by the same input are neighbours, if they are listed so.
 */
public final class UnitLayout {
    /** What vector instructions and oneDNN like best: a cache line. */
    private static final long ALIGNMENT = 64;

    private final Map<String, Part> parts;
    private final long byteSize;

    /**
     * A weight.
     *
     * @param name its name without that of the block
     * @param type how it lies in memory, whatever it is stored as
     * @param shape its dimensions
     * @param offset where it begins, a multiple of 64
     */
    public record Part(String name, StorageType type, List<Long> shape, long offset) {

        /** Returns its size in memory. */
        public long byteSize() {
            return shape.stream().reduce((long) type.bytes(), Math::multiplyExact);
        }
    }

    private UnitLayout(Map<String, Part> parts, long byteSize) {
        this.parts = parts;
        this.byteSize = byteSize;
    }

    /**
     * Returns the layout of blocks.
     *
     * @param index the component's weights
     * @param block the name of one of the blocks, such as {@code layers.0}
     * @param products names of weights, without that of the block, that are kept in a type of choice
     * @param type that type; 8-bit integers are for matrices and bring their scales
     * @param others names of weights that are kept in FP32
     */
    public static UnitLayout of(
            WeightIndex index, String block, List<String> products, StorageType type, List<String> others) {
        Map<String, StorageType> types = new LinkedHashMap<>();
        for (String name : products) {
            boolean isMatrix = name.endsWith(".weight");
            types.put(name, type == StorageType.I8 && !isMatrix ? StorageType.F32 : type);
            if (type == StorageType.I8 && isMatrix) {
                types.put(RowRounding.scales(name), StorageType.F32);
            }
        }
        others.forEach(name -> types.put(name, StorageType.F32));
        Map<String, Part> parts = new LinkedHashMap<>();
        long offset = 0;
        for (Map.Entry<String, StorageType> each : types.entrySet()) {
            TensorEntry entry = index.get(block + "." + each.getKey());
            Part part = new Part(each.getKey(), each.getValue(), entry.shape(), offset);
            parts.put(part.name(), part);
            offset = Math.addExact(offset, part.byteSize());
            offset = Math.addExact(offset, Math.floorMod(-offset, ALIGNMENT));
        }
        return new UnitLayout(parts, offset);
    }

    /**
     * Returns the layout of a component's blocks.
     *
     * @param index the component's weights
     * @param weights what a block may consist of
     * @param block the name of one of the blocks, such as {@code layers.0}
     * @param type as above
     */
    public static UnitLayout of(WeightIndex index, BlockWeights weights, String block, StorageType type) {
        List<String> there = weights.streamed().stream()
                .filter(name -> index.has(block + "." + name))
                .toList();
        Predicate<String> isInPrecision =
                name -> weights.role(block + "." + name).isInPrecision();
        return of(
                index,
                block,
                there.stream().filter(isInPrecision).toList(),
                type,
                there.stream().filter(isInPrecision.negate()).toList());
    }

    /** Returns all weights, in order. */
    public List<Part> parts() {
        return List.copyOf(parts.values());
    }

    /** Returns a weight by its name without that of the block. */
    Part part(String name) {
        Part part = parts.get(name);
        if (part == null) {
            throw new IllegalArgumentException("a block's layout must have all of its weights, but lacks " + name);
        }
        return part;
    }

    /** Returns whether what a block computes with is made of these weights anew each time they come. */
    boolean isRemade() {
        return parts.values().stream().anyMatch(part -> part.type() == StorageType.I8);
    }

    /** Returns how much memory a block takes. */
    public long byteSize() {
        return byteSize;
    }
}
