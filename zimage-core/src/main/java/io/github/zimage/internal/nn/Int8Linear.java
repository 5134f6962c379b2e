package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A linear layer that computes with 8-bit integers: each row of the input and of the weight has a scale by which its largest number becomes 127. */
final class Int8Linear implements Projection {
    private static final double LARGEST = 127;

    /** Rows smaller than this count as zeros; their scale can still be inverted. */
    private static final double SMALLEST = 1e-30;

    private static final long ROWS = 64;

    private final Tensor weight;
    private final Tensor scale;
    private final Tensor zeros;
    private final @Nullable Tensor bias;

    private Int8Linear(Tensor weight, Tensor scale, Tensor zeros, @Nullable Tensor bias) {
        this.weight = weight;
        this.scale = scale;
        this.zeros = zeros;
        this.bias = bias;
    }

    /**
     * Reads a layer's weights, rounds them, and leaves the result to the store.
     *
     * @param turned whether the layer will get rows that have been turned by {@link Rotation}
     */
    static Int8Linear load(WeightStore weights, String name, boolean bias, boolean turned) {
        try (PointerScope scope = new PointerScope()) {
            List<Long> shape = weights.shape(name + ".weight");
            Rounded rounded = new Rounded(shape.get(0), shape.get(1));
            weights.readMatrix(name + ".weight", (row, rows) -> rounded.put(row, rows, turned));
            return new Int8Linear(
                    weights.own(Int8Product.pack(rounded.values)),
                    weights.own(rounded.scale),
                    weights.own(zeros(shape.get(0))),
                    bias ? weights.get(name + ".bias", ScalarType.Float) : null);
        }
    }

    /** Returns a layer without bias, in the current scope, of a weight [out, in] of any type. */
    static Int8Linear of(Tensor weight, boolean turned) {
        Rounded rounded = new Rounded(weight.size(0), weight.size(1));
        rounded.put(0, weight, turned);
        return new Int8Linear(Int8Product.pack(rounded.values), rounded.scale, zeros(weight.size(0)), null);
    }

    private static Tensor zeros(long count) {
        return torch.zeros(new long[] {count}, new TensorOptions(ScalarType.Int));
    }

    /** A weight in 8-bit integers [out, in], and what each of its rows has to be multiplied by, [out] fp32. */
    private static final class Rounded {
        final Tensor values;
        final Tensor scale;

        Rounded(long out, long in) {
            values = Tensors.empty(ScalarType.Char, out, in);
            scale = Tensors.empty(ScalarType.Float, out);
        }

        /** Sets rows of the weight, beginning with a certain one. */
        void put(long first, Tensor rows, boolean turned) {
            for (long row = 0; row < rows.size(0); row += ROWS) {
                try (PointerScope scope = new PointerScope()) {
                    long count = Math.min(ROWS, rows.size(0) - row);
                    Tensor stored = Tensors.cast(rows.narrow(0, row, count), ScalarType.Float);
                    Tensor part = turned ? Rotation.of(rows.size(1)).turnExactly(stored) : stored;
                    Tensor largest = largest(part);
                    scale.narrow(0, first + row, count).copy_(largest.squeeze(1).div(new Scalar(LARGEST)));
                    values.narrow(0, first + row, count)
                            .copy_(part.mul(inverse(largest)).round_());
                }
            }
        }
    }

    /** Returns the largest magnitude of each row, [rows, 1]. */
    private static Tensor largest(Tensor x) {
        return x.abs().amax(new long[] {1}, true).clamp_min_(new Scalar(SMALLEST));
    }

    private static Tensor inverse(Tensor largest) {
        return largest.reciprocal().mul_(new Scalar(LARGEST));
    }

    /**
     * Rounds rows to 8-bit integers, with 128 for zero. A row with a number that is not finite gets a scale that is not.
     *
     * @param x [S, in] fp32
     * @param values [S, in] uint8, which is filled
     * @param scale [S, 1] fp32, which is filled
     */
    static void roundRows(Tensor x, Tensor values, Tensor scale) {
        Tensor largest = largest(x);
        scale.copy_(largest.div(new Scalar(LARGEST)));
        // Copying cuts fractions off.
        values.copy_(x.mul(inverse(largest)).add_(new Scalar(Int8Product.ZERO_POINT + 0.5)));
    }

    @Override
    public Rows forward(Rows x) {
        Tensor product = Int8Product.transposed(x.values(), weight, scale, zeros, ScalarType.BFloat16);
        Rows result = new Rows(product, x.scale());
        return bias == null
                ? result
                : Rows.of(Tensors.scoped(() -> result.floats().add(bias)));
    }
}
