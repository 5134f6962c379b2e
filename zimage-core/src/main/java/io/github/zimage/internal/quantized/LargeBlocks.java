package io.github.zimage.internal.quantized;

import static io.github.zimage.internal.quantized.BlockBytes.half;
import static io.github.zimage.internal.quantized.BlockBytes.int16;

/** The blocks of 256 numbers of GGUF, whose parts have scales of some bits each, and one in F16 above these. */
final class LargeBlocks {
    private LargeBlocks() {}

    /** 16 parts of 16: scale and offset of 4 bits each, numbers of 2. */
    static void q2(byte[] b, int at, float[] y, int to) {
        float d = half(b, at + 80);
        float dmin = half(b, at + 82);
        for (int k = 0; k < 16; k++) {
            int s = b[at + k] & 0xff;
            float scale = d * (s & 15);
            float offset = dmin * (s >> 4);
            int from = at + 16 + 32 * (k / 8) + 16 * (k % 2);
            int shift = 2 * (k % 8 / 2);
            for (int i = 0; i < 16; i++) {
                y[to + 16 * k + i] = scale * ((b[from + i] >> shift) & 3) - offset;
            }
        }
    }

    /** 16 parts of 16: signed scales of 6 bits, numbers of 2 and one more in a mask. */
    static void q3(byte[] b, int at, float[] y, int to) {
        float d = half(b, at + 108);
        int scales = at + 96;
        for (int k = 0; k < 16; k++) {
            int low = k < 8 ? b[scales + k] & 15 : (b[scales + k - 8] >> 4) & 15;
            int high = (b[scales + 8 + k % 4] >> (2 * (k / 4))) & 3;
            float scale = d * ((low | high << 4) - 32);
            int from = at + 32 + 32 * (k / 8) + 16 * (k % 2);
            int mask = at + 16 * (k % 2);
            int shift = 2 * (k % 8 / 2);
            int bit = 4 * (k / 8) + k % 8 / 2;
            for (int i = 0; i < 16; i++) {
                int q = ((b[from + i] >> shift) & 3) - (((b[mask + i] >> bit) & 1) == 0 ? 4 : 0);
                y[to + 16 * k + i] = scale * q;
            }
        }
    }

    /** 8 parts of 32: scale and offset of 6 bits each, numbers of 4. */
    static void q4(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        float dmin = half(b, at + 2);
        for (int part = 0; part < 8; part++) {
            float scale = d * scale(b, at + 4, part);
            float offset = dmin * offset(b, at + 4, part);
            int from = at + 16 + 32 * (part / 2);
            int shift = 4 * (part % 2);
            for (int i = 0; i < 32; i++) {
                y[to + 32 * part + i] = scale * ((b[from + i] >> shift) & 15) - offset;
            }
        }
    }

    /** As the ones of 4 bits, with a fifth bit for each number. */
    static void q5(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        float dmin = half(b, at + 2);
        for (int part = 0; part < 8; part++) {
            float scale = d * scale(b, at + 4, part);
            float offset = dmin * offset(b, at + 4, part);
            int from = at + 48 + 32 * (part / 2);
            int shift = 4 * (part % 2);
            for (int i = 0; i < 32; i++) {
                int q = ((b[from + i] >> shift) & 15) | ((b[at + 16 + i] >> part) & 1) << 4;
                y[to + 32 * part + i] = scale * q - offset;
            }
        }
    }

    private static int scale(byte[] b, int s, int part) {
        return part < 4 ? b[s + part] & 63 : (b[s + part + 4] & 15) | ((b[s + part - 4] >> 6) & 3) << 4;
    }

    private static int offset(byte[] b, int s, int part) {
        return part < 4 ? b[s + part + 4] & 63 : ((b[s + part + 4] >> 4) & 15) | ((b[s + part] >> 6) & 3) << 4;
    }

    /** 16 parts of 16: signed scales of 8 bits, numbers of 4 and two more. */
    static void q6(byte[] b, int at, float[] y, int to) {
        float d = half(b, at + 208);
        for (int n = 0; n < 2; n++) {
            int low = at + 64 * n;
            int high = at + 128 + 32 * n;
            int scales = at + 192 + 8 * n;
            for (int i = 0; i < 32; i++) {
                int a = b[low + i];
                int c = b[low + 32 + i];
                int h = b[high + i];
                int s = scales + i / 16;
                int out = to + 128 * n + i;
                y[out] = d * b[s] * (((a & 15) | (h & 3) << 4) - 32);
                y[out + 32] = d * b[s + 2] * (((c & 15) | ((h >> 2) & 3) << 4) - 32);
                y[out + 64] = d * b[s + 4] * ((((a >> 4) & 15) | ((h >> 4) & 3) << 4) - 32);
                y[out + 96] = d * b[s + 6] * ((((c >> 4) & 15) | ((h >> 6) & 3) << 4) - 32);
            }
        }
    }

    /** 8 parts of 32: signed scales of 6 bits, codes of 4. */
    static void iq4Xs(byte[] b, int at, float[] y, int to) {
        float d = half(b, at);
        int high = int16(b, at + 2);
        for (int g = 0; g < 8; g++) {
            int low = (b[at + 4 + g / 2] >> (4 * (g % 2))) & 15;
            float scale = d * ((low | ((high >> (2 * g)) & 3) << 4) - 32);
            int from = at + 8 + 16 * g;
            for (int i = 0; i < 16; i++) {
                int q = b[from + i];
                y[to + 32 * g + i] = scale * SmallBlocks.iq4(q);
                y[to + 32 * g + 16 + i] = scale * SmallBlocks.iq4(q >> 4);
            }
        }
    }
}
