package io.github.zimage.internal.quantized;

import io.github.zimage.internal.numbers.NumberConversion;

/** Little-endian numbers within a block. */
final class BlockBytes {
    private BlockBytes() {}

    /** Returns the F16 number at a place. */
    static float half(byte[] b, int at) {
        return Float.intBitsToFloat(NumberConversion.f16ToF32((short) int16(b, at)));
    }

    static int int16(byte[] b, int at) {
        return (b[at] & 0xff) | (b[at + 1] & 0xff) << 8;
    }

    static int int32(byte[] b, int at) {
        return int16(b, at) | int16(b, at + 2) << 16;
    }
}
