package io.github.zimage.internal.quantized;

import static io.github.zimage.internal.quantized.BlockBytes.half;
import static io.github.zimage.internal.quantized.BlockBytes.int32;

/** The blocks of 32 numbers of GGUF: a scale in F16, maybe an offset, then the numbers' bits, those of the first half in the low four of a byte. */
final class SmallBlocks {
    private static final int HALF = 16;
    private static final float[] IQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    private SmallBlocks() {}

    /** Returns the number of a code of the IQ4 types, before it is scaled. */
    static float iq4(int code) {
        return IQ4[code & 15];
    }

    static void q4Zero(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 2 + i];
            y[to + i] = d * ((q & 15) - 8);
            y[to + HALF + i] = d * (((q >> 4) & 15) - 8);
        }
    }

    static void q4One(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        float m = half(b, at + 2);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 4 + i];
            y[to + i] = d * (q & 15) + m;
            y[to + HALF + i] = d * ((q >> 4) & 15) + m;
        }
    }

    static void q5Zero(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        int high = int32(b, at + 2);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 6 + i];
            y[to + i] = d * (((q & 15) | ((high >>> i) & 1) << 4) - 16);
            y[to + HALF + i] = d * ((((q >> 4) & 15) | ((high >>> (i + HALF)) & 1) << 4) - 16);
        }
    }

    static void q5One(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        float m = half(b, at + 2);
        int high = int32(b, at + 4);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 8 + i];
            y[to + i] = d * ((q & 15) | ((high >>> i) & 1) << 4) + m;
            y[to + HALF + i] = d * (((q >> 4) & 15) | ((high >>> (i + HALF)) & 1) << 4) + m;
        }
    }

    static void q8Zero(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        for (int i = 0; i < 2 * HALF; i++) {
            y[to + i] = d * b[at + 2 + i];
        }
    }

    static void iq4Nl(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        for (int i = 0; i < HALF; i++) {
            int q = b[at + 2 + i];
            y[to + i] = d * iq4(q);
            y[to + HALF + i] = d * iq4(q >> 4);
        }
    }
}
