package io.github.zimage.internal.quantized;

import com.google.errorprone.annotations.Immutable;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The encodings of GGUF that pack some numbers of a row into a block of bytes. The constants are named as in llama.cpp. */
public enum BlockType {
    /** Integers of 4 bits and a scale. */
    Q4_0(2, 32, 18, SmallBlocks::q4Zero),
    /** As that, with an offset. */
    Q4_1(3, 32, 20, SmallBlocks::q4One),
    /** Integers of 5 bits and a scale. */
    Q5_0(6, 32, 22, SmallBlocks::q5Zero),
    /** As that, with an offset. */
    Q5_1(7, 32, 24, SmallBlocks::q5One),
    /** Integers of 8 bits and a scale. */
    Q8_0(8, 32, 34, SmallBlocks::q8Zero),
    /** Integers of 2 bits, with scales and offsets of 4. */
    Q2_K(10, 256, 84, LargeBlocks::q2),
    /** Integers of 3 bits, with scales of 6. */
    Q3_K(11, 256, 110, LargeBlocks::q3),
    /** Integers of 4 bits, with scales and offsets of 6. */
    Q4_K(12, 256, 144, LargeBlocks::q4),
    /** Integers of 5 bits, with scales and offsets of 6. */
    Q5_K(13, 256, 176, LargeBlocks::q5),
    /** Integers of 6 bits, with scales of 8. */
    Q6_K(14, 256, 210, LargeBlocks::q6),
    /** Codes of 4 bits that are not evenly spread, and a scale. */
    IQ4_NL(20, 32, 18, SmallBlocks::iq4Nl),
    /** As that, with scales of 6 bits. */
    IQ4_XS(23, 256, 136, LargeBlocks::iq4Xs);

    private final int id;
    private final int numbers;
    private final int bytes;
    private final Decoder decoder;

    /** Makes numbers of a block. */
    @Immutable
    interface Decoder {
        void decode(byte[] bytes, int at, float[] values, int to);
    }

    BlockType(int id, int numbers, int bytes, Decoder decoder) {
        this.id = id;
        this.numbers = numbers;
        this.bytes = bytes;
        this.decoder = decoder;
    }

    /** Returns the type with a number in GGUF files, or null if none of these has it. */
    public static @Nullable BlockType of(int id) {
        for (BlockType type : values()) {
            if (type.id == id) {
                return type;
            }
        }
        return null;
    }

    /** Returns how many numbers a block holds. */
    public int numbers() {
        return numbers;
    }

    /** Returns how many bytes a block takes. */
    public int bytes() {
        return bytes;
    }

    /**
     * Returns the numbers of a tensor, made while they are read.
     *
     * @param stored the bytes of all blocks
     * @param shape the tensor's, whose last dimension is a multiple of {@link #numbers}
     */
    public TensorEntry decoded(TensorEntry stored, List<Long> shape) {
        int columns = Math.toIntExact(shape.get(shape.size() - 1));
        return new Rows(stored, columns, this).entry(stored.name(), shape);
    }

    private static final class Rows extends StoredRows {
        private final BlockType type;

        Rows(TensorEntry stored, int columns, BlockType type) {
            super(columns, stored, columns / type.numbers * type.bytes, List.of(), type.name());
            this.type = type;
        }

        @Override
        RowDecoder decoder(FileReader files, long first, int count) {
            int blocks = columns() / type.numbers;
            return (stored, at, row, values, to) -> {
                for (int block = 0; block < blocks; block++) {
                    type.decoder.decode(stored, at + block * type.bytes, values, to + block * type.numbers);
                }
            };
        }
    }
}
