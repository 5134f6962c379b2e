package io.github.zimage.internal.quantized;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;

/** Rows of MXFP8: E4M3 with a power of 2 for every 32 numbers. */
final class MxFp8Rows extends StoredRows {
    static final int BLOCK = 32;

    private final SwizzledScales scales;

    MxFp8Rows(TensorEntry stored, TensorEntry scales) {
        super(
                Math.toIntExact(stored.shape().get(1)),
                stored,
                Math.toIntExact(stored.shape().get(1)),
                List.of(scales),
                "MXFP8");
        this.scales = new SwizzledScales(scales, columns() / BLOCK);
    }

    @Override
    RowDecoder decoder(FileReader files, long first, int count) throws IOException {
        SwizzledScales.Part part = scales.read(files, first, count);
        return (stored, at, row, values, to) -> {
            for (int block = 0; block < columns() / BLOCK; block++) {
                float scale = SmallFloats.e8m0(part.at(row, block));
                for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
                    values[to + i] = SmallFloats.e4m3(stored[at + i]) * scale;
                }
            }
        };
    }
}
