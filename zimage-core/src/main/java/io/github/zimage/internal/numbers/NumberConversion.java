package io.github.zimage.internal.numbers;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;

/**
 * Converts numbers between F32, F16 and BF16 as LibTorch does: to the nearest, ties to even, infinities and NaN kept. Not
 * thread-safe.
 */
public final class NumberConversion {
    private static final int CHUNK = 1 << 14;
    private static final int[] F16_TO_F32 = new int[1 << 16];

    static {
        for (int half = 0; half < F16_TO_F32.length; half++) {
            F16_TO_F32[half] = f32(half);
        }
    }

    private final int[] wide = new int[CHUNK];
    private final short[] narrow = new short[CHUNK];

    /** Rounds the bits of an F32 number to BF16. */
    public static short bf16(int f32) {
        if ((f32 & 0x7fffffff) > 0x7f800000) {
            return (short) 0x7fc0;
        }
        return (short) ((f32 + 0x7fff + ((f32 >>> 16) & 1)) >>> 16);
    }

    /** Returns the bits of the F32 number that equals an F16 one of these bits. */
    public static int f16ToF32(short half) {
        return F16_TO_F32[half & 0xffff];
    }

    private static int f32(int half) {
        int sign = (half & 0x8000) << 16;
        int exponent = (half >> 10) & 0x1f;
        int fraction = half & 0x3ff;
        if (exponent == 0x1f) {
            return sign | 0x7f800000 | (fraction << 13);
        }
        if (exponent == 0) {
            return sign | Float.floatToRawIntBits(fraction * 0x1p-24f);
        }
        return sign | ((exponent + 112) << 23) | (fraction << 13);
    }

    /**
     * Converts all numbers in a buffer.
     *
     * @param to room for as many numbers
     */
    public void convert(ByteBuffer from, StorageType fromType, ByteBuffer to, StorageType toType) {
        if (fromType == toType) {
            to.put(from);
            return;
        }
        int count = from.remaining() / fromType.bytes();
        if (fromType == StorageType.F32 && toType == StorageType.BF16) {
            f32ToBf16(from.asIntBuffer(), to.asShortBuffer(), count);
        } else if (fromType == StorageType.F16 && toType == StorageType.BF16) {
            f16ToBf16(from.asShortBuffer(), to.asShortBuffer(), count);
        } else if (fromType == StorageType.F16 && toType == StorageType.F32) {
            f16ToF32(from.asShortBuffer(), to.asIntBuffer(), count);
        } else if (fromType == StorageType.BF16 && toType == StorageType.F32) {
            bf16ToF32(from.asShortBuffer(), to.asIntBuffer(), count);
        } else {
            throw new IllegalArgumentException("no conversion from " + fromType + " to " + toType);
        }
        from.position(from.position() + count * fromType.bytes());
        to.position(to.position() + count * toType.bytes());
    }

    private void f32ToBf16(IntBuffer from, ShortBuffer to, int count) {
        for (int done = 0; done < count; done += CHUNK) {
            int chunk = Math.min(CHUNK, count - done);
            from.get(wide, 0, chunk);
            for (int i = 0; i < chunk; i++) {
                narrow[i] = bf16(wide[i]);
            }
            to.put(narrow, 0, chunk);
        }
    }

    private void f16ToBf16(ShortBuffer from, ShortBuffer to, int count) {
        for (int done = 0; done < count; done += CHUNK) {
            int chunk = Math.min(CHUNK, count - done);
            from.get(narrow, 0, chunk);
            for (int i = 0; i < chunk; i++) {
                narrow[i] = bf16(F16_TO_F32[narrow[i] & 0xffff]);
            }
            to.put(narrow, 0, chunk);
        }
    }

    private void f16ToF32(ShortBuffer from, IntBuffer to, int count) {
        for (int done = 0; done < count; done += CHUNK) {
            int chunk = Math.min(CHUNK, count - done);
            from.get(narrow, 0, chunk);
            for (int i = 0; i < chunk; i++) {
                wide[i] = F16_TO_F32[narrow[i] & 0xffff];
            }
            to.put(wide, 0, chunk);
        }
    }

    private void bf16ToF32(ShortBuffer from, IntBuffer to, int count) {
        for (int done = 0; done < count; done += CHUNK) {
            int chunk = Math.min(CHUNK, count - done);
            from.get(narrow, 0, chunk);
            for (int i = 0; i < chunk; i++) {
                wide[i] = narrow[i] << 16;
            }
            to.put(wide, 0, chunk);
        }
    }
}
