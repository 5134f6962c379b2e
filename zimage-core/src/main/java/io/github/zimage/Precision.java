package io.github.zimage;

/** The number format that a component computes in. */
public enum Precision {
    /** IEEE 754 single precision, 4 bytes a number. */
    FP32(4),
    /** bfloat16, 2 bytes a number: the format the model was trained in, and the default. Sums are kept in FP32. */
    BF16(2),
    /**
     * 8-bit integers in the large products of the transformer and the text encoder, BF16 in all else: a byte a weight, and twice as
     * fast where the processor has instructions for it. Each number of a picture differs a little from what BF16 gives.
     */
    INT8(1),
    /**
     * 8-bit floating point, of the kind e4m3, in the large products of the transformer and the text encoder, BF16 in all else: for
     * graphics cards that have instructions for it.
     */
    FP8(1);

    private final int bytes;

    Precision(int bytes) {
        this.bytes = bytes;
    }

    /** Returns whether the large products are of 8-bit numbers, which are made of the weights with scales of their own. */
    public boolean isEightBit() {
        return this == INT8 || this == FP8;
    }

    /** Returns the size of one number in bytes. */
    public int bytes() {
        return bytes;
    }
}
