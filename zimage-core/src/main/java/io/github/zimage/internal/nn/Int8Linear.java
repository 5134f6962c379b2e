package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.WeightStore;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A linear layer that computes with 8-bit integers: each row of the input and of the weight has a scale by which its largest number becomes 127. */
final class Int8Linear implements Projection {
    static final double LARGEST = 127;

    /** Rows smaller than this count as zeros; their scale can still be inverted. */
    static final double SMALLEST = 1e-30;

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

    /** Reads a layer's weights, rounds them, and leaves the result to the store. */
    static Int8Linear load(WeightStore weights, String name, boolean bias, boolean turned) {
        try (PointerScope scope = new PointerScope()) {
            Int8Linear layer = of(weights.read(name + ".weight"), turned);
            return new Int8Linear(
                    weights.own(layer.weight),
                    weights.own(layer.scale),
                    weights.own(layer.zeros),
                    bias ? weights.get(name + ".bias", ScalarType.Float) : null);
        }
    }

    /**
     * Returns a layer without bias, in the current scope.
     *
     * @param weight [out, in] of any type
     * @param turned whether the layer will get rows that have been turned by {@link Rotation}
     */
    static Int8Linear of(Tensor weight, boolean turned) {
        Tensor rounded = Tensors.empty(ScalarType.Char, weight.size(0), weight.size(1));
        Tensor scale = Tensors.empty(ScalarType.Float, weight.size(0));
        round(weight, turned, rounded, scale);
        Tensor zeros = torch.zeros(new long[] {weight.size(0)}, new TensorOptions(ScalarType.Int));
        return new Int8Linear(Int8Product.pack(rounded), scale, zeros, null);
    }

    /**
     * Rounds a matrix to 8-bit integers.
     *
     * @param weight [out, in] of any type
     * @param turned whether to turn its rows first
     * @param rounded [out, in] int8, which is filled
     * @param scale [out] fp32, which is filled: what a row of integers has to be multiplied by
     */
    static void round(Tensor weight, boolean turned, Tensor rounded, Tensor scale) {
        Rotation rotation = Rotation.of(weight.size(1));
        for (long row = 0; row < weight.size(0); row += ROWS) {
            try (PointerScope scope = new PointerScope()) {
                long count = Math.min(ROWS, weight.size(0) - row);
                Tensor stored = Tensors.cast(weight.narrow(0, row, count), ScalarType.Float);
                Tensor part = turned ? rotation.turnExactly(stored) : stored;
                Tensor largest = part.abs().amax(new long[] {1}, true).clamp_min_(new Scalar(SMALLEST)); // [rows, 1]
                scale.narrow(0, row, count).copy_(largest.squeeze(1).div(new Scalar(LARGEST)));
                Tensor inverse = largest.reciprocal_().mul_(new Scalar(LARGEST));
                rounded.narrow(0, row, count).copy_(part.mul(inverse).round_());
            }
        }
    }

    /**
     * Rounds rows to 8-bit integers, with 128 for zero. A row with a number that is not finite gets a scale that is not.
     *
     * @param x [S, in] fp32
     * @param values [S, in] uint8, which is filled
     * @param scale [S, 1] fp32, which is filled
     */
    static void roundRows(Tensor x, Tensor values, Tensor scale) {
        Tensor largest = x.abs().amax(new long[] {1}, true).clamp_min_(new Scalar(SMALLEST)); // [S, 1]
        scale.copy_(largest.div(new Scalar(LARGEST)));
        Tensor inverse = largest.reciprocal_().mul_(new Scalar(LARGEST));
        // Copying cuts fractions off.
        values.copy_(x.mul(inverse).add_(new Scalar(Int8Product.ZERO_POINT + 0.5)));
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
