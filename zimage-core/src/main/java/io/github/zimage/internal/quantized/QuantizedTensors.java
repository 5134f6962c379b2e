package io.github.zimage.internal.quantized;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Gives tensors their numbers whose file holds them in fewer bits with scales beside them, as ComfyUI writes them. What looks like a part of
 * an encoding and is not understood is refused: a weight without its scale draws garbage.
 */
public final class QuantizedTensors {
    private static final String WEIGHT = ".weight";
    private static final long MOST_COLUMNS = 1 << 24;
    /** What older files call the same. */
    private static final Map<String, String> OLD = Map.of("scale_weight", "weight_scale", "scale_input", "input_scale");

    private static final Set<String> BESIDE =
            Set.of("weight_scale", "weight_scale_2", "pre_quant_scale", "comfy_quant", "input_scale");
    /** Says that weights are FP8, which their types do, too. */
    private static final String FLAG = "scaled_fp8";

    private static final Pattern SUSPECT = Pattern.compile(
            "(?!.*quant_conv).*(scale|quant|absmax|zero_point|qzeros|codebook|smooth_factor|svd_up|svd_down|proj_up|proj_down|weight_s_).*");

    private final String file;
    private final Map<String, TensorEntry> tensors;
    private final LayerFormats formats;
    private final String prefix;
    private final Map<String, TensorEntry> decoded = new LinkedHashMap<>();
    private final Map<String, Map<String, TensorEntry>> beside = new HashMap<>();

    private QuantizedTensors(String file, Map<String, TensorEntry> tensors, LayerFormats formats, String prefix) {
        this.file = file;
        this.tensors = tensors;
        this.formats = formats;
        this.prefix = prefix;
    }

    /**
     * Returns the tensors that are weights: those that are encoded as rows of FP32 that are made while they are read, all others as they are.
     *
     * @param file what messages call the file
     * @param tensors a part's, by their names without what all begin with
     * @param metadata the file's
     * @param prefix what all begin with
     * @throws ModelLoadException if an encoding is not understood, or does not fit
     */
    public static Map<String, TensorEntry> decoded(
            String file, Map<String, TensorEntry> tensors, Map<String, String> metadata, String prefix) {
        try (LayerFormats formats = new LayerFormats(file, metadata)) {
            return new QuantizedTensors(file, tensors, formats, prefix).decoded();
        }
    }

    /** Refuses tensors that belong to no part, if one looks like a part of an encoding. */
    public static void requireHarmless(String file, List<String> names) {
        for (String name : names) {
            if (SUSPECT.matcher(name).matches() && !name.endsWith(FLAG)) {
                throw notUnderstood(file, name);
            }
        }
    }

    private static ModelLoadException notUnderstood(String file, String name) {
        return new ModelLoadException(
                file + ": the encoding that " + ModelFile.quote(name)
                        + " belongs to is not understood, and without it the pictures would be garbage: take a BF16, FP8 or GGUF file");
    }

    private Map<String, TensorEntry> decoded() {
        for (String name : tensors.keySet()) {
            sort(name);
        }
        for (TensorEntry tensor : tensors.values()) {
            String layer = layer(tensor.name());
            if (tensor.name().endsWith(WEIGHT) && layer != null) {
                Map<String, TensorEntry> own = beside.remove(layer);
                decoded.put(tensor.name(), weight(tensor, layer, own == null ? Map.of() : own));
            } else if (!isBeside(tensor.name())) {
                decoded.put(tensor.name(), plain(tensor));
            }
        }
        beside.forEach((layer, own) -> {
            if (!own.keySet().equals(Set.of("input_scale"))) {
                throw notUnderstood(file, own.values().iterator().next().name());
            }
        });
        return decoded;
    }

    private static @Nullable String layer(String name) {
        int dot = name.lastIndexOf('.');
        return dot < 0 ? null : name.substring(0, dot);
    }

    private static boolean isBeside(String name) {
        String last = name.substring(name.lastIndexOf('.') + 1);
        return name.equals(FLAG) || BESIDE.contains(OLD.getOrDefault(last, last));
    }

    private void sort(String name) {
        if (!isBeside(name)) {
            if (SUSPECT.matcher(name).matches()) {
                throw notUnderstood(file, name);
            }
            return;
        }
        String layer = layer(name);
        if (layer != null) {
            String last = name.substring(layer.length() + 1);
            TensorEntry tensor = tensors.get(name);
            if (tensor != null) {
                beside.computeIfAbsent(layer, missing -> new HashMap<>()).put(OLD.getOrDefault(last, last), tensor);
            }
        }
    }

    /** Returns a tensor that has no scales. */
    private TensorEntry plain(TensorEntry tensor) {
        boolean isFp8 = tensor.type() == StorageType.F8_E4M3 || tensor.type() == StorageType.F8_E5M2;
        if (!isFp8 || tensor.byteSize() == 0) {
            return tensor;
        }
        requireShortRows(
                tensor,
                tensor.shape().isEmpty() ? 1 : tensor.shape().get(tensor.shape().size() - 1));
        // Of any shape: biases, norms and convolutions are stored so, too.
        long columns =
                tensor.shape().isEmpty() ? 1 : tensor.shape().get(tensor.shape().size() - 1);
        TensorEntry rows = tensor.withShape(List.of(tensor.elements() / columns, columns));
        return new ByteRows(
                        rows, tensor.type(), null, List.of(), 1, tensor.type().name())
                .entry(tensor.name(), tensor.shape());
    }

    private TensorEntry weight(TensorEntry tensor, String layer, Map<String, TensorEntry> own) {
        LayerFormats.Format format = format(tensor, layer, own);
        TensorEntry scale = own.get("weight_scale");
        if (format == null) {
            if (scale != null || own.containsKey("weight_scale_2") || own.containsKey("pre_quant_scale")) {
                throw wrong(tensor, "has scales, but is stored as " + tensor.type());
            }
            return plain(tensor);
        }
        if (tensor.shape().size() != 2 || tensor.byteSize() == 0) {
            throw wrong(tensor, "must be a matrix to be of " + ModelFile.quote(format.name()));
        }
        requireShortRows(tensor, tensor.shape().get(1));
        if (own.containsKey("pre_quant_scale") && !format.name().equals("nvfp4")) {
            throw notUnderstood(file, own.get("pre_quant_scale").name());
        }
        return switch (format.name()) {
            case "float8_e4m3fn" -> bytes(tensor, StorageType.F8_E4M3, scale, 1, "F8_E4M3 scaled");
            case "float8_e5m2" -> bytes(tensor, StorageType.F8_E5M2, scale, 1, "F8_E5M2 scaled");
            case "int8_tensorwise" ->
                bytes(tensor, StorageType.I8, scale, format.rotated(), format.rotated() > 1 ? "INT8 ConvRot" : "INT8");
            case "mxfp8" -> mxFp8(tensor, scale);
            case "nvfp4" -> nvFp4(tensor, scale, own);
            default ->
                throw new ModelLoadException(file + ": " + ModelFile.quote(tensor.name()) + " is stored in the format "
                        + ModelFile.quote(format.name()) + ", which is not read: take a BF16, FP8 or GGUF file");
        };
    }

    private LayerFormats.@Nullable Format format(TensorEntry tensor, String layer, Map<String, TensorEntry> own) {
        TensorEntry text = own.get("comfy_quant");
        if (text != null) {
            return formats.of(text);
        }
        LayerFormats.Format said = formats.of(prefix + layer);
        said = said == null ? formats.of(layer) : said;
        if (said != null || !own.containsKey("weight_scale")) {
            return said;
        }
        return switch (tensor.type()) {
            case F8_E4M3 -> new LayerFormats.Format("float8_e4m3fn", 1);
            case F8_E5M2 -> new LayerFormats.Format("float8_e5m2", 1);
            case I8 -> new LayerFormats.Format("int8_tensorwise", 1);
            default -> null;
        };
    }

    private TensorEntry bytes(
            TensorEntry tensor, StorageType type, @Nullable TensorEntry scale, int rotated, String encoding) {
        requireType(tensor, type, StorageType.U8);
        if (scale == null) {
            throw wrong(tensor, "must have its weight_scale beside it, but has none");
        }
        int columns = Math.toIntExact(tensor.shape().get(1));
        BlockScales scales = BlockScales.of(scale, tensor.shape().get(0), columns);
        if (scales == null) {
            throw wrong(
                    scale,
                    "must have one F32 scale for all, one a row or one a block of "
                            + ModelFile.shown(tensor.shape()) + ", but has " + scale.type() + " of "
                            + ModelFile.shown(scale.shape()));
        }
        if (columns % rotated != 0) {
            throw wrong(
                    tensor, "must have rows of a multiple of " + rotated + ", which are rotated, but has " + columns);
        }
        return new ByteRows(tensor, type, scales, List.of(scale), rotated, encoding)
                .entry(tensor.name(), tensor.shape());
    }

    private TensorEntry mxFp8(TensorEntry tensor, @Nullable TensorEntry scale) {
        requireType(tensor, StorageType.F8_E4M3, StorageType.U8);
        requireSwizzled(tensor, scale, tensor.shape().get(1), MxFp8Rows.BLOCK);
        return new MxFp8Rows(tensor, required(tensor, scale)).entry(tensor.name(), tensor.shape());
    }

    private TensorEntry nvFp4(TensorEntry tensor, @Nullable TensorEntry scale, Map<String, TensorEntry> own) {
        requireType(tensor, StorageType.U8, StorageType.I8);
        long columns = Math.multiplyExact(2L, tensor.shape().get(1));
        requireSwizzled(tensor, scale, columns, NvFp4Rows.BLOCK);
        TensorEntry all = required(tensor, own.get("weight_scale_2"));
        TensorEntry input = own.get("pre_quant_scale");
        if (all.elements() != 1
                || !all.type().isSupportedWeight()
                || (input != null
                        && (input.elements() != columns || !input.type().isSupportedWeight()))) {
            throw wrong(tensor, "must have one number as weight_scale_2 and " + columns + " as pre_quant_scale");
        }
        return new NvFp4Rows(tensor, required(tensor, scale), all, input)
                .entry(tensor.name(), List.of(tensor.shape().get(0), columns));
    }

    private void requireShortRows(TensorEntry tensor, long columns) {
        if (columns > MOST_COLUMNS) {
            throw wrong(tensor, "must have rows of at most " + MOST_COLUMNS + " numbers, but has " + columns);
        }
    }

    private void requireType(TensorEntry tensor, StorageType type, StorageType other) {
        if (tensor.type() != type && tensor.type() != other) {
            throw wrong(tensor, "must be stored as " + type + " or " + other + ", but is " + tensor.type());
        }
    }

    private TensorEntry required(TensorEntry tensor, @Nullable TensorEntry beside) {
        if (beside == null) {
            throw wrong(tensor, "must have its scales beside it, but one of them is missing");
        }
        return beside;
    }

    private void requireSwizzled(TensorEntry tensor, @Nullable TensorEntry scale, long columns, int block) {
        long bytes = SwizzledScales.bytes(tensor.shape().get(0), columns / block);
        if (columns % block != 0 || required(tensor, scale).byteSize() != bytes) {
            throw wrong(
                    tensor,
                    "must have rows of a multiple of " + block + " and " + bytes
                            + " bytes of scales, but has rows of " + columns + " and "
                            + required(tensor, scale).byteSize() + " bytes");
        }
    }

    private ModelLoadException wrong(TensorEntry tensor, String problem) {
        return new ModelLoadException(file + ": tensor " + ModelFile.quote(tensor.name()) + " " + problem);
    }
}
