package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * How much memory the weights of a model take in the types that the engine computes with, block by block.
 *
 * @param textEncoder the text encoder's shape
 * @param transformer the transformer's shape
 * @param vae the VAE's shape
 * @param precisions what the components compute in
 * @param parts the sizes of the components
 */
public record ModelLayout(
        TextEncoderConfig textEncoder,
        TransformerConfig transformer,
        VaeConfig vae,
        Map<Component, Precision> precisions,
        Map<Component, Part> parts) {
    /** Beside each row of a matrix of 8-bit integers: its scale, and the zero point that oneDNN asks for. */
    private static final long ROW_BYTES = Float.BYTES + Integer.BYTES;

    private static final String EMBEDDINGS = "embed_tokens.weight";
    /** What always computes in FP32 of the VAE: its last layers. */
    private static final Pattern VAE_FP32 = Pattern.compile("decoder\\.(conv_norm_out|conv_out)\\..*");

    /**
     * The weights of a component.
     *
     * @param blocks the bytes of each block that can stay or be streamed
     * @param once the bytes of each block that never stays if others are streamed, because it runs only once a request
     * @param modulation the bytes of what turns timesteps into the norms of blocks, which is loaded for each new schedule
     * @param rest the bytes of what is needed all the time
     * @param embeddings the bytes of the table of embeddings, of which only some rows are read; 0 for all but the text encoder
     * @param largest the bytes of the largest matrix
     */
    public record Part(List<Long> blocks, List<Long> once, long modulation, long rest, long embeddings, long largest) {
        /** Copies the lists. */
        public Part {
            blocks = List.copyOf(blocks);
            once = List.copyOf(once);
        }

        /** Returns the bytes of all weights. */
        public long bytes() {
            return blockBytes() + modulation + rest + embeddings;
        }

        /** Returns the bytes of all blocks. */
        long blockBytes() {
            return Stream.concat(blocks.stream(), once.stream())
                    .mapToLong(Long::longValue)
                    .sum();
        }

        /** Returns the bytes of the largest block, which is what a slot has to hold. */
        long slotBytes() {
            return Stream.concat(blocks.stream(), once.stream())
                    .mapToLong(Long::longValue)
                    .max()
                    .orElse(0);
        }
    }

    /** Copies the maps. */
    public ModelLayout {
        precisions = Map.copyOf(precisions);
        parts = Map.copyOf(parts);
    }

    /** Returns the layout of a checkpoint. */
    public static ModelLayout of(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        return of(checkpoint.textEncoder(), checkpoint.transformer(), checkpoint.vae(), precisions);
    }

    /** Returns the layout of a model that is known by its configurations. */
    public static ModelLayout of(
            TextEncoderConfig textEncoder,
            TransformerConfig transformer,
            VaeConfig vae,
            Map<Component, Precision> precisions) {
        Map<Component, Part> parts = new EnumMap<>(Component.class);
        for (Component component : Component.values()) {
            Map<String, List<Long>> tensors = switch (component) {
                case TEXT_ENCODER -> textEncoder.tensors();
                case TRANSFORMER -> transformer.tensors();
                case VAE -> vae.tensors();
            };
            Precision precision = Objects.requireNonNull(precisions.get(component), "precision");
            parts.put(component, part(component, tensors, precision));
        }
        return new ModelLayout(textEncoder, transformer, vae, precisions, parts);
    }

    private static Part part(Component component, Map<String, List<Long>> tensors, Precision precision) {
        BlockWeights list = BlockWeights.of(component);
        Map<String, Long> blocks = new LinkedHashMap<>();
        long modulation = 0;
        long rest = 0;
        long embeddings = 0;
        long largest = 0;
        for (Map.Entry<String, List<Long>> tensor : tensors.entrySet()) {
            String name = tensor.getKey();
            BlockWeights.Role role = list == null ? BlockWeights.Role.OUTER : list.role(name);
            String block = list == null || !role.isStreamed() ? null : list.block(name);
            boolean exact = list == null ? VAE_FP32.matcher(name).matches() : !role.isInPrecision();
            long width = precision.isEightBit() && block == null ? Short.BYTES : precision.bytes();
            width = exact ? Float.BYTES : width;
            long bytes = tensor.getValue().stream().reduce(width, Math::multiplyExact);
            if (precision == Precision.INT8 && width == Precision.INT8.bytes()) {
                bytes = Math.addExact(bytes, tensor.getValue().get(0) * ROW_BYTES);
            }
            if (name.equals(EMBEDDINGS)) {
                embeddings = bytes;
                continue;
            }
            largest = Math.max(largest, bytes);
            if (block != null) {
                blocks.merge(block, bytes, Math::addExact);
            } else if (role == BlockWeights.Role.MODULATION) {
                modulation = Math.addExact(modulation, bytes);
            } else {
                rest = Math.addExact(rest, bytes);
            }
        }
        List<Long> staying = new ArrayList<>();
        List<Long> once = new ArrayList<>();
        blocks.forEach((name, bytes) -> (name.startsWith("context_refiner") ? once : staying).add(bytes));
        return new Part(staying, once, modulation, rest, embeddings, largest);
    }

    /** Returns the weights of a component. */
    public Part part(Component component) {
        return Objects.requireNonNull(parts.get(component));
    }

    /** Returns how wide numbers are between the layers of a component. */
    int typeBytes(Component component) {
        return precisions.get(component) == Precision.FP32 ? Float.BYTES : Short.BYTES;
    }
}
