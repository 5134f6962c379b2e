package io.github.zimage.internal.conversion;

import io.github.zimage.Component;
import io.github.zimage.Precision;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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

    /** What is multiplied in 8-bit integers, if that is the component's precision. */
    private static final Map<Component, Pattern> PRODUCTS = Map.of(
            Component.TRANSFORMER,
                    Pattern.compile(".*\\.(attention\\.to_(q|k|v|out\\.0)|feed_forward\\.w[123])\\.weight"),
            Component.TEXT_ENCODER, Pattern.compile(".*_proj\\.weight"));

    /** Products with rows that are {@linkplain RowRounding turned}. */
    private static final Pattern TURNED = Pattern.compile(".*\\.(feed_forward\\.w2|mlp\\.down_proj)\\.weight");

    /** What computes in the component's precision; the rest is FP32 always. */
    private static final Map<Component, Pattern> IN_PRECISION = Map.of(
            Component.TRANSFORMER,
                    Pattern.compile(
                            ".*\\.(attention\\.to_(q|k|v|out\\.0)|feed_forward\\.w[123])\\.weight"
                                    + "|(all_x_embedder\\.[^.]*|cap_embedder\\.1|all_final_layer\\.[^.]*\\.linear)\\.(weight|bias)"),
            Component.TEXT_ENCODER, Pattern.compile("embed_tokens\\.weight|.*_proj\\.(weight|bias)"));

    private static final Pattern BLOCK =
            Pattern.compile("(?<block>(noise_refiner|context_refiner|layers)\\.\\d+)\\.(?<rest>.*)");

    private static final List<String> BLOCK_ORDER = List.of(
            "attention.to_q.weight",
            "attention.to_k.weight",
            "attention.to_v.weight",
            "attention.to_out.0.weight",
            "feed_forward.w1.weight",
            "feed_forward.w3.weight",
            "feed_forward.w2.weight",
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.o_proj.weight",
            "mlp.gate_proj.weight",
            "mlp.up_proj.weight",
            "mlp.down_proj.weight");

    private EngineLayout() {}

    /** Returns whether weights of a component can be kept converted. */
    public static boolean supports(Component component) {
        return IN_PRECISION.containsKey(component);
    }

    /**
     * Returns the type that a weight is computed in.
     *
     * @param component transformer or text encoder
     * @param name as in the configuration's {@code tensors()}
     */
    public static StorageType type(Component component, String name, Precision precision) {
        Pattern inPrecision = IN_PRECISION.get(component);
        if (inPrecision == null) {
            throw new IllegalArgumentException(
                    "component must be the transformer or the text encoder, but was " + component);
        }
        if (precision == Precision.FP32 || !inPrecision.matcher(name).matches()) {
            return StorageType.F32;
        }
        if (precision == Precision.INT8 && name.contains("_proj.bias")) {
            return StorageType.F32;
        }
        return precision == Precision.INT8 && isProduct(component, name) ? StorageType.I8 : StorageType.BF16;
    }

    private static boolean isProduct(Component component, String name) {
        Pattern products = PRODUCTS.get(component);
        return products != null && products.matcher(name).matches();
    }

    /** Returns whether a matrix's rows are turned before they are rounded to 8-bit integers. */
    static boolean isTurned(String name) {
        return TURNED.matcher(name).matches();
    }

    /** Returns how many bytes of weights cannot be used as they are stored, but have to be converted. */
    public static long unsuitedBytes(Component component, WeightIndex index, Precision precision) {
        return index.tensors().values().stream()
                .filter(tensor -> tensor.type() != type(component, tensor.name(), precision)
                        || tensor.offset() % tensor.type().bytes() != 0)
                .mapToLong(TensorEntry::byteSize)
                .sum();
    }

    /** Returns what a file in this layout holds: all weights of the index, and fillers where one would not be aligned. */
    static List<SafetensorsWriter.Tensor> tensors(Component component, WeightIndex index, Precision precision) {
        Map<String, List<TensorEntry>> runs = new LinkedHashMap<>();
        runs.put("", new ArrayList<>());
        for (TensorEntry tensor : index.tensors().values()) {
            Matcher block = BLOCK.matcher(tensor.name());
            runs.computeIfAbsent(block.matches() ? block.group("block") : "", name -> new ArrayList<>())
                    .add(tensor);
        }
        List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
        for (List<TensorEntry> run : runs.values()) {
            run.sort(Comparator.comparingInt(tensor -> rank(tensor.name())));
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

    private static int rank(String name) {
        Matcher block = BLOCK.matcher(name);
        if (!block.matches()) {
            return 0;
        }
        int rank = BLOCK_ORDER.indexOf(block.group("rest"));
        if (rank >= 0) {
            return rank;
        }
        return name.contains(".adaLN_modulation.") ? BLOCK_ORDER.size() + 1 : BLOCK_ORDER.size();
    }

    /** Returns whether a tensor is a filler. */
    static boolean isPadding(String name) {
        return name.startsWith(PADDING);
    }
}
