package io.github.zimage.internal.quantized;

import io.github.zimage.internal.numbers.NumberConversion;

/** Numbers of eight bits and fewer, as OCP and NVIDIA define them: tables of what each code stands for. */
final class SmallFloats {
    private static final float[] E4M3 = new float[256];
    private static final float[] E5M2 = new float[256];
    private static final float[] E8M0 = new float[256];
    private static final float[] E2M1 = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

    static {
        for (int code = 0; code < 256; code++) {
            E4M3[code] = e4m3(code);
            E5M2[code] = Float.intBitsToFloat(NumberConversion.f16ToF32((short) (code << 8)));
            E8M0[code] = code == 255 ? Float.NaN : (float) Math.scalb(1.0, code - 127);
        }
    }

    private SmallFloats() {}

    private static float e4m3(int code) {
        int exponent = (code >> 3) & 15;
        int fraction = code & 7;
        float magnitude = exponent == 0 ? Math.scalb(fraction, -9) : Math.scalb(8 + fraction, exponent - 10);
        if ((code & 0x7f) == 0x7f) {
            return Float.NaN;
        }
        return code < 128 ? magnitude : -magnitude;
    }

    /** Returns the number of a byte with 4 bits of exponent, without infinities. */
    static float e4m3(byte code) {
        return E4M3[code & 0xff];
    }

    /** Returns the number of a byte with 5 bits of exponent. */
    static float e5m2(byte code) {
        return E5M2[code & 0xff];
    }

    /** Returns the power of 2 that a byte is the exponent of. */
    static float e8m0(byte code) {
        return E8M0[code & 0xff];
    }

    /** Returns the number of four bits. */
    static float e2m1(int code) {
        return E2M1[code & 15];
    }
}
