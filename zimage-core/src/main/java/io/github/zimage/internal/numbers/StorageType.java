package io.github.zimage.internal.numbers;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The number formats of safetensors files. The constants are named as in the files. */
public enum StorageType {
    /** IEEE 754 double precision. */
    F64(64),
    /** IEEE 754 single precision. */
    F32(32),
    /** IEEE 754 half precision. */
    F16(16),
    /** The upper half of single precision. */
    BF16(16),
    /** Two F32 numbers: real and imaginary part. */
    C64(64),
    /** Signed, 64 bits. */
    I64(64),
    /** Signed, 32 bits. */
    I32(32),
    /** Signed, 16 bits. */
    I16(16),
    /** Signed, 8 bits. */
    I8(8),
    /** Unsigned, 64 bits. */
    U64(64),
    /** Unsigned, 32 bits. */
    U32(32),
    /** Unsigned, 16 bits. */
    U16(16),
    /** Unsigned, 8 bits. */
    U8(8),
    /** One byte, 0 or 1. */
    BOOL(8),
    /** 8 bits with 4 of exponent. */
    F8_E4M3(8),
    /** 8 bits with 5 of exponent. */
    F8_E5M2(8),
    /** 8 bits, all of them exponent. */
    F8_E8M0(8),
    /** 8 bits with 4 of exponent, without infinities and negative zero. */
    F8_E4M3FNUZ(8),
    /** 8 bits with 5 of exponent, without infinities and negative zero. */
    F8_E5M2FNUZ(8),
    /** 6 bits with 2 of exponent, four numbers in three bytes. */
    F6_E2M3(6),
    /** 6 bits with 3 of exponent, four numbers in three bytes. */
    F6_E3M2(6),
    /** 4 bits with 2 of exponent, two numbers a byte. */
    F4(4);

    private static final Set<StorageType> WEIGHTS = EnumSet.of(F32, F16, BF16);

    private final int bits;

    StorageType(int bits) {
        this.bits = bits;
    }

    /** Returns the size of one number in bits. */
    public int bits() {
        return bits;
    }

    /**
     * Returns the size of one number in bytes.
     *
     * @throws IllegalStateException if it is not a whole number
     */
    public int bytes() {
        if (bits % Byte.SIZE != 0) {
            throw new IllegalStateException("a number of type " + this + " takes " + bits + " bits");
        }
        return bits / Byte.SIZE;
    }

    /**
     * Returns how many bytes a tensor takes.
     *
     * @param shape its dimensions, none of them negative
     * @throws ArithmeticException if they are too many for a {@code long}
     * @throws IllegalArgumentException if its last byte would not be full
     */
    public long bytes(List<Long> shape) {
        long elements = shape.stream().reduce(1L, Math::multiplyExact);
        long restBits = elements % Byte.SIZE * bits;
        if (restBits % Byte.SIZE != 0) {
            throw new IllegalArgumentException("numbers of type " + this + " must fill whole bytes");
        }
        return Math.addExact(Math.multiplyExact(elements / Byte.SIZE, bits), restBits / Byte.SIZE);
    }

    /** Returns whether weights stored so can be loaded. */
    public boolean isSupportedWeight() {
        return WEIGHTS.contains(this);
    }

    /** Returns the type with a name, or null if there is none. */
    public static @Nullable StorageType named(String name) {
        for (StorageType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }
}
