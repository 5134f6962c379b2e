package io.github.zimage.internal.quantized;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Rows of a byte a number, of FP8 or of integers, with scales or without; integers maybe rotated. */
final class ByteRows extends StoredRows {
    private final StorageType type;
    private final @Nullable BlockScales scales;
    private final int rotated;

    /**
     * Creates rows.
     *
     * @param type F8_E4M3, F8_E5M2 or I8
     * @param scales what the numbers are multiplied by, or null
     * @param rotated how many neighbours were rotated into each other, a power of 4; 1 if none were
     */
    ByteRows(
            TensorEntry stored,
            StorageType type,
            @Nullable BlockScales scales,
            List<TensorEntry> beside,
            int rotated,
            String encoding) {
        super(
                Math.toIntExact(stored.shape().get(1)),
                stored,
                Math.toIntExact(stored.shape().get(1)),
                beside,
                encoding);
        this.type = type;
        this.scales = scales;
        this.rotated = rotated;
    }

    @Override
    RowDecoder decoder(FileReader files, long first, int count) throws IOException {
        BlockScales.Part part = scales == null ? null : scales.read(files, first, count);
        return (stored, at, row, values, to) -> {
            widen(stored, at, values, to);
            if (part != null) {
                part.apply(row, values, to);
            }
            for (int group = 0; rotated > 1 && group < columns(); group += rotated) {
                BaseFourRotation.rotate(values, to + group, rotated);
            }
        };
    }

    private void widen(byte[] stored, int at, float[] values, int to) {
        int columns = columns();
        switch (type) {
            case F8_E4M3 -> {
                for (int i = 0; i < columns; i++) {
                    values[to + i] = SmallFloats.e4m3(stored[at + i]);
                }
            }
            case F8_E5M2 -> {
                for (int i = 0; i < columns; i++) {
                    values[to + i] = SmallFloats.e5m2(stored[at + i]);
                }
            }
            default -> {
                for (int i = 0; i < columns; i++) {
                    values[to + i] = stored[at + i];
                }
            }
        }
    }
}
