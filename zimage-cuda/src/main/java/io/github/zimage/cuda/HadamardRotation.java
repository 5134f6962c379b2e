package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Turns neighbouring features into each other by a Hadamard matrix with random signs, so that no number of a row is much larger than the
 * others. A layer whose weight is turned likewise gives the same result.
 */
final class HadamardRotation {
    /** A power of 4, so that the numbers of the matrix are powers of 2, which BF16 holds. */
    private static final int LARGEST = 256;

    private static final long SEED = 1;

    private final int size;
    private final Tensor fp32;
    private final Tensor bf16;

    /** Makes the rotation of so many neighbours. */
    HadamardRotation(int size, TensorPlace place) {
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
            fp32 = Tensors.keep(place.of(matrix, size, size));
            bf16 = Tensors.keep(fp32.to(ScalarType.BFloat16));
        }
    }

    /** Returns how many neighbours of so many features are turned into each other: as many as divide them, up to 256. */
    static int size(long features) {
        int size = 1;
        while (size < LARGEST && features % (4L * size) == 0) {
            size *= 4;
        }
        return size;
    }

    /** Turns rows [S, features] bf16. */
    Tensor turn(Tensor x) {
        return turn(x, bf16);
    }

    /** Turns rows [S, features] fp32. */
    Tensor turnExactly(Tensor x) {
        return turn(x, fp32);
    }

    private Tensor turn(Tensor x, Tensor matrix) {
        return x.view(-1, size).matmul(matrix.t()).view(x.size(0), x.size(1));
    }
}
