package io.github.zimage.internal.nn;

import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.runtime.Tensors;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Rotates neighbouring features into each other by a Hadamard matrix, so that no number of a row is much larger than the others and rounding all of them by
 * one scale costs little. A layer whose weight is turned likewise, which {@link RowRounding} does, gives the same result.
 */
final class HadamardRotation {
    private static final ConcurrentMap<Integer, HadamardRotation> CACHE = new ConcurrentHashMap<>();

    private final int size;
    private final Tensor matrix;

    private HadamardRotation(int size) {
        this.size = size;
        try (PointerScope scope = new PointerScope()) {
            matrix = Tensors.keep(
                    Tensors.of(RowRounding.matrix(size), size, size).to(ScalarType.BFloat16));
        }
    }

    /** Returns the rotation of rows of so many features: of as many neighbours as divide them, up to 256. */
    static HadamardRotation of(long features) {
        return CACHE.computeIfAbsent(RowRounding.turnedTogether(features), HadamardRotation::new);
    }

    /**
     * Turns rows, with the error of rounding them to BF16.
     *
     * @param x [S, features] fp32
     * @return [S, features] fp32
     */
    Tensor turn(Tensor x) {
        return MatrixProduct.transposed(x.to(ScalarType.BFloat16).view(-1, size), matrix, null)
                .view(x.size(0), x.size(1))
                .to(ScalarType.Float);
    }
}
