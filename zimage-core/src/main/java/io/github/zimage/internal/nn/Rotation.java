package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Turns neighbouring features into each other, so that no number of a row is much larger than the others and rounding all of them by
 * one scale costs little. A layer whose weight is turned likewise gives the same result.
 *
 * <p>The matrix is a Hadamard matrix with random signs for its columns: orthogonal, and all of its numbers are as large.
 */
final class Rotation {
    /** A power of 4, so that the numbers of the matrix are powers of 2, which BF16 holds. */
    private static final int LARGEST = 256;

    private static final long SEED = 1;

    private static final ConcurrentMap<Integer, Rotation> CACHE = new ConcurrentHashMap<>();

    private final int size;
    private final Tensor bf16;
    private final Tensor fp32;

    private Rotation(int size) {
        this.size = size;
        float[] matrix = new float[size * size];
        Random random = new Random(SEED);
        for (int column = 0; column < size; column++) {
            float number = (float) ((random.nextBoolean() ? 1 : -1) / Math.sqrt(size));
            for (int row = 0; row < size; row++) {
                matrix[row * size + column] = Integer.bitCount(row & column) % 2 == 0 ? number : -number;
            }
        }
        try (PointerScope scope = new PointerScope()) {
            fp32 = Tensors.keep(Tensors.of(matrix, size, size));
            bf16 = Tensors.keep(fp32.to(ScalarType.BFloat16));
        }
    }

    /** Returns the rotation of rows of so many features: of as many neighbours as divide them, up to 256. */
    static Rotation of(long features) {
        int size = 1;
        while (size < LARGEST && features % (4L * size) == 0) {
            size *= 4;
        }
        return CACHE.computeIfAbsent(size, Rotation::new);
    }

    /**
     * Turns rows, with the error of rounding them to BF16.
     *
     * @param x [S, features] fp32
     * @return [S, features] fp32
     */
    Tensor turn(Tensor x) {
        return turn(x.to(ScalarType.BFloat16), bf16).to(ScalarType.Float);
    }

    /** Turns rows [S, features] fp32 with the error of FP32. */
    Tensor turnExactly(Tensor x) {
        return turn(x, fp32);
    }

    private Tensor turn(Tensor x, Tensor matrix) {
        return MatrixProduct.transposed(x.view(-1, size), matrix, null).view(x.size(0), x.size(1));
    }
}
