package io.github.zimage.internal.numbers;

import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The number formats of safetensors files that take whole bytes. The constants are named as in the files. */
public enum StorageType {
    /** IEEE 754 double precision. */
    F64(8),
    /** IEEE 754 single precision. */
    F32(4),
    /** IEEE 754 half precision. */
    F16(2),
    /** The upper half of single precision. */
    BF16(2),
    /** Two F32 numbers: real and imaginary part. */
    C64(8),
    /** Signed, 64 bits. */
    I64(8),
    /** Signed, 32 bits. */
    I32(4),
    /** Signed, 16 bits. */
    I16(2),
    /** Signed, 8 bits. */
    I8(1),
    /** Unsigned, 64 bits. */
    U64(8),
    /** Unsigned, 32 bits. */
    U32(4),
    /** Unsigned, 16 bits. */
    U16(2),
    /** Unsigned, 8 bits. */
    U8(1),
    /** One byte, 0 or 1. */
    BOOL(1),
    /** 8 bits with 4 of exponent. */
    F8_E4M3(1),
    /** 8 bits with 5 of exponent. */
    F8_E5M2(1),
    /** 8 bits, all of them exponent. */
    F8_E8M0(1),
    /** 8 bits with 4 of exponent, without infinities and negative zero. */
    F8_E4M3FNUZ(1),
    /** 8 bits with 5 of exponent, without infinities and negative zero. */
    F8_E5M2FNUZ(1);

    private static final Set<StorageType> WEIGHTS = EnumSet.of(F32, F16, BF16);

    private final int bytes;

    StorageType(int bytes) {
        this.bytes = bytes;
    }

    /** Returns the size of one number in bytes. */
    public int bytes() {
        return bytes;
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
