package io.github.zimage.internal.lora;

import io.github.zimage.internal.lora.ModuleParts.UnfitException;
import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/** What the factors of modules are multiplied by: alpha, from a tensor or the header, divided by the rank. */
record Strengths(TensorFiles files, AlphaMetadata metadata) {

    /**
     * A module's.
     *
     * @param alpha as the file states it, or null
     */
    record Strength(@Nullable Double alpha, double scale) {}

    Strength of(ModuleParts parts, Delta delta) throws UnfitException {
        TensorEntry tensor = parts.get(Part.ALPHA);
        int rank = delta.rank();
        if (tensor != null) {
            double alpha = number(tensor);
            // Matrices that are no product have no rank: programs then write an alpha of any size.
            return new Strength(alpha, rank == 0 ? 1 : alpha / rank);
        }
        String module = parts.target().modules().get(0);
        Double scale = rank == 0 ? null : metadata.scale(parts.target().component(), module, rank);
        return scale == null
                ? new Strength(null, 1)
                : new Strength(metadata.alpha(parts.target().component(), module), scale);
    }

    private double number(TensorEntry tensor) throws UnfitException {
        if (tensor.elements() != 1) {
            throw new UnfitException("alpha must be one number, but has " + tensor.elements());
        }
        ByteBuffer bytes =
                ByteBuffer.allocate(Math.toIntExact(tensor.byteSize())).order(ByteOrder.LITTLE_ENDIAN);
        try {
            files.read(tensor, 0, bytes);
        } catch (IOException e) {
            throw new UnfitException("alpha cannot be read: " + e.getMessage());
        }
        double alpha = switch (tensor.type()) {
            case F64 -> bytes.getDouble(0);
            case F32 -> bytes.getFloat(0);
            case F16 -> Float.intBitsToFloat(NumberConversion.f16ToF32(bytes.getShort(0)));
            case BF16 -> Float.intBitsToFloat(bytes.getShort(0) << Short.SIZE);
            case I64 -> bytes.getLong(0);
            case I32 -> bytes.getInt(0);
            default -> throw new UnfitException("alpha must be a number, but is of " + tensor.type());
        };
        if (!Double.isFinite(alpha)) {
            throw new UnfitException("alpha must be a finite number, but is " + alpha);
        }
        return alpha;
    }
}
