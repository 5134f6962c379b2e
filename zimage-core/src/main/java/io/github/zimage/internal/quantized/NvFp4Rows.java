package io.github.zimage.internal.quantized;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Rows of NVFP4: E2M1, two a byte with the even column in the high half, an E4M3 scale for every 16 numbers and one for all. */
final class NvFp4Rows extends StoredRows {
    static final int BLOCK = 16;

    private final SwizzledScales scales;
    private final TensorEntry scale;
    private final @Nullable TensorEntry inputScale;

    /**
     * Creates rows.
     *
     * @param stored [rows, columns / 2]
     * @param scales those of the blocks
     * @param scale the one for all
     * @param inputScale what the layer's input is multiplied by, a number a column, or null
     */
    NvFp4Rows(TensorEntry stored, TensorEntry scales, TensorEntry scale, @Nullable TensorEntry inputScale) {
        super(
                Math.toIntExact(stored.shape().get(1) * 2),
                stored,
                Math.toIntExact(stored.shape().get(1)),
                beside(scales, scale, inputScale),
                "NVFP4");
        this.scales = new SwizzledScales(scales, columns() / BLOCK);
        this.scale = scale;
        this.inputScale = inputScale;
    }

    private static List<TensorEntry> beside(TensorEntry scales, TensorEntry scale, @Nullable TensorEntry inputScale) {
        List<TensorEntry> beside = new ArrayList<>(List.of(scales, scale));
        if (inputScale != null) {
            beside.add(inputScale);
        }
        return beside;
    }

    @Override
    RowDecoder decoder(FileReader files, long first, int count) throws IOException {
        SwizzledScales.Part part = scales.read(files, first, count);
        float all = RowData.floats(files, scale)[0];
        float[] input = inputScale == null ? null : RowData.floats(files, inputScale);
        return (stored, at, row, values, to) -> {
            for (int block = 0; block < columns() / BLOCK; block++) {
                float own = SmallFloats.e4m3(part.at(row, block)) * all;
                for (int i = block * BLOCK; i < (block + 1) * BLOCK; i += 2) {
                    int pair = stored[at + i / 2];
                    values[to + i] = SmallFloats.e2m1(pair >> 4) * own;
                    values[to + i + 1] = SmallFloats.e2m1(pair) * own;
                }
            }
            for (int i = 0; input != null && i < columns(); i++) {
                values[to + i] *= input[i];
            }
        };
    }
}
