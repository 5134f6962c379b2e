package io.github.zimage.internal.request;

import io.github.zimage.InvalidRequestException;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.util.List;

/** Seeds: 64 bits, with or without a sign. */
public final class Seeds {
    /** Stands for a random one. */
    public static final long RANDOM = -1;

    private static final BigInteger FIRST = BigInteger.valueOf(Long.MIN_VALUE);
    private static final BigInteger LAST = BigInteger.ONE.shiftLeft(Long.SIZE).subtract(BigInteger.ONE);
    private static final SecureRandom SOURCE = new SecureRandom();

    private Seeds() {}

    /** Returns one of the first 2^32, which all programs take. */
    public static long random() {
        return SOURCE.nextLong() >>> 32;
    }

    /** Returns a seed without a sign, as texts hold it. */
    public static BigInteger unsigned(long seed) {
        return new BigInteger(Long.toUnsignedString(seed));
    }

    /** Returns whether a number stands for a random seed. */
    public static boolean isRandom(BigInteger seed) {
        return seed.equals(BigInteger.valueOf(RANDOM));
    }

    /** Returns whether a number has no more than 64 bits, with or without a sign. */
    static boolean fits(BigInteger seed) {
        return seed.compareTo(FIRST) >= 0 && seed.compareTo(LAST) <= 0;
    }

    /** Returns the bits of a seed. */
    public static long bits(BigInteger seed, String name) {
        if (!fits(seed)) {
            throw new InvalidRequestException(
                    List.of(name), "%s must be between %s and %s, but was %s".formatted(name, FIRST, LAST, seed));
        }
        return seed.longValue();
    }

    /** Returns the bits of a seed, or of a random one where it stands for that. */
    public static long chosen(Number seed) {
        BigInteger number = number(seed);
        return isRandom(number) ? random() : bits(number, "seeds");
    }

    private static BigInteger number(Number seed) {
        if (seed instanceof BigInteger large) {
            return large;
        }
        if (seed instanceof Long || seed instanceof Integer || seed instanceof Short || seed instanceof Byte) {
            return BigInteger.valueOf(seed.longValue());
        }
        throw new InvalidRequestException(
                List.of("seeds"), "seeds must be whole numbers, but one was %s".formatted(seed));
    }
}
