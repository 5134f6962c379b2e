package io.github.zimage.internal.singlefile;

import io.github.zimage.Component;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.CheckpointFolder;
import io.github.zimage.internal.weights.RowData;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Parts of a checkpoint folder under the names that other programs give them, for files of other forms. */
public final class OtherForms {
    /** Numbers and their shape. */
    public record Numbers(List<Long> shape, float[] values) {}

    private OtherForms() {}

    /** Reads a part of a checkpoint folder. */
    public static Map<String, Numbers> read(Path checkpoint, Component component) throws IOException {
        Map<String, Numbers> numbers = new LinkedHashMap<>();
        try (TensorFiles files = new TensorFiles()) {
            for (TensorEntry entry : CheckpointFolder.weights(checkpoint.resolve(component.folder()), component, null)
                    .tensors()
                    .values()) {
                numbers.put(entry.name(), new Numbers(entry.shape(), RowData.floats(files, entry)));
            }
        }
        return numbers;
    }

    /** Returns the transformer under the names of the original program, with queries, keys and values in one matrix. */
    public static Map<String, Numbers> originalTransformer(Map<String, Numbers> diffusers) {
        Map<String, Numbers> original = new LinkedHashMap<>();
        diffusers.forEach((name, numbers) -> {
            if (name.endsWith("to_q.weight")) {
                Numbers keys = diffusers.get(name.replace("to_q", "to_k"));
                Numbers values = diffusers.get(name.replace("to_q", "to_v"));
                original.put(name.replace("to_q", "qkv"), below(List.of(numbers, keys, values)));
            } else if (!name.endsWith("to_k.weight") && !name.endsWith("to_v.weight")) {
                original.put(
                        name.replace("all_x_embedder.2-1", "x_embedder")
                                .replace("all_final_layer.2-1", "final_layer")
                                .replace("to_out.0", "out")
                                .replace("norm_q", "q_norm")
                                .replace("norm_k", "k_norm"),
                        numbers);
            }
        });
        return original;
    }

    private static Numbers below(List<Numbers> parts) {
        long rows = parts.stream().mapToLong(part -> part.shape().get(0)).sum();
        float[] all =
                new float[parts.stream().mapToInt(part -> part.values().length).sum()];
        int done = 0;
        for (Numbers part : parts) {
            System.arraycopy(part.values(), 0, all, done, part.values().length);
            done += part.values().length;
        }
        return new Numbers(List.of(rows, parts.get(0).shape().get(1)), all);
    }

    /** Returns the VAE, of four levels, under the names of the original program. */
    public static Map<String, Numbers> originalVae(Map<String, Numbers> diffusers) {
        Map<String, Numbers> original = new LinkedHashMap<>();
        diffusers.forEach((name, numbers) -> {
            String renamed = name.replace("mid_block.resnets.0", "mid.block_1")
                    .replace("mid_block.resnets.1", "mid.block_2")
                    .replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm")
                    .replaceAll("mid_block.attentions.0.to_([qkv])", "mid.attn_1.$1")
                    .replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out")
                    .replace("conv_norm_out", "norm_out")
                    .replace("conv_shortcut", "nin_shortcut")
                    .replaceAll("down_blocks.(\\d).resnets.(\\d)", "down.$1.block.$2")
                    .replaceAll("down_blocks.(\\d).downsamplers.0", "down.$1.downsample");
            for (int i = 0; i < 4; i++) {
                renamed = renamed.replace("up_blocks." + i + ".resnets.", "up." + (3 - i) + ".block.")
                        .replace("up_blocks." + i + ".upsamplers.0", "up." + (3 - i) + ".upsample");
            }
            boolean isProjection = renamed.matches(".*mid\\.attn_1\\.(q|k|v|proj_out)\\.weight");
            List<Long> shape = new ArrayList<>(numbers.shape());
            if (isProjection && shape.size() == 2) {
                shape.addAll(List.of(1L, 1L));
            }
            original.put(renamed, new Numbers(shape, numbers.values()));
        });
        return original;
    }

    /** Returns tensors under other names. */
    public static Map<String, Numbers> renamed(Map<String, Numbers> tensors, UnaryOperator<String> names) {
        Map<String, Numbers> renamed = new LinkedHashMap<>();
        tensors.forEach((name, numbers) -> renamed.put(names.apply(name), numbers));
        return renamed;
    }

    /** Writes a safetensors file of F32, F16 or BF16 and returns where it is. Numbers that F16 does not hold must not be there. */
    public static Path write(Path file, Map<String, Numbers> tensors, StorageType type) throws IOException {
        List<SafetensorsWriter.Tensor> layout = new ArrayList<>();
        tensors.forEach((name, numbers) -> layout.add(new SafetensorsWriter.Tensor(name, type, numbers.shape())));
        try (SafetensorsWriter writer = new SafetensorsWriter(file, layout, Map.of())) {
            for (Numbers numbers : tensors.values()) {
                writer.write(bytes(numbers.values(), type));
            }
            writer.commit();
        }
        return file;
    }

    /** Returns numbers as a file has them. */
    public static ByteBuffer bytes(float[] values, StorageType type) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (type) {
                case F32 -> bytes.putFloat(value);
                case BF16 -> bytes.putShort(NumberConversion.bf16(Float.floatToRawIntBits(value)));
                default -> bytes.putShort(half(value));
            }
        }
        return bytes.flip();
    }

    /** Returns a number as F16, cut off. */
    public static short half(float value) {
        int bits = Float.floatToRawIntBits(value);
        int exponent = ((bits >>> 23) & 0xff) - 127 + 15;
        int sign = (bits >>> 16) & 0x8000;
        if (exponent <= 0) {
            return (short) (sign | (int) (Math.abs(value) * 0x1p24));
        }
        return (short) (sign | (exponent << 10) | ((bits >>> 13) & 0x3ff));
    }
}
