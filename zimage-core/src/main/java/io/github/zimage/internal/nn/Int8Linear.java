package io.github.zimage.internal.nn;

import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** A linear layer that computes with 8-bit integers: each row of the input and of the weight has a scale by which its largest number becomes 127. */
final class Int8Linear implements Projection {
    private final Tensor weight;
    private final Tensor scale;
    private final Tensor zeros;
    private final @Nullable Tensor bias;

    /**
     * Creates a layer.
     *
     * @param weight {@linkplain Int8Product#pack packed} or {@linkplain Int8Product#unpacked not}
     * @param scale what each column of the product has to be multiplied by, [out] fp32
     * @param zeros [out] int32, all 0
     */
    Int8Linear(Tensor weight, Tensor scale, Tensor zeros, @Nullable Tensor bias) {
        this.weight = weight;
        this.scale = scale;
        this.zeros = zeros;
        this.bias = bias;
    }

    /**
     * Reads a layer's weights, or makes them of others, and leaves them to the source. They are packed if the source allows it, which takes
     * three times as long as not packing them, and as long as is saved in some 12,000 rows.
     *
     * @param turned whether the layer will get rows that have been turned by {@link HadamardRotation}
     */
    static Int8Linear load(TensorSource weights, String name, boolean bias, boolean turned) {
        try (PointerScope scope = new PointerScope()) {
            String matrix = name + ".weight";
            TensorSource.Rounded rounded = weights.rounded(matrix, turned);
            Tensor values = rounded.values();
            return new Int8Linear(
                    weights.own(weights.isPacked() ? Int8Product.pack(values) : Int8Product.unpacked(values)),
                    weights.own(rounded.scales()),
                    weights.own(zeros(rounded.scales().size(0))),
                    bias ? weights.get(name + ".bias", ScalarType.Float) : null);
        }
    }

    private static Tensor zeros(long count) {
        return torch.zeros(new long[] {count}, new TensorOptions(ScalarType.Int));
    }

    /** Returns the largest magnitude of each row, [rows, 1]. */
    private static Tensor largest(Tensor x) {
        return x.abs().amax(new long[] {1}, true).clamp_min_(new Scalar(RowRounding.SMALLEST));
    }

    private static Tensor inverse(Tensor largest) {
        return largest.reciprocal().mul_(new Scalar(RowRounding.LARGEST));
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
        scale.copy_(largest.div(new Scalar(RowRounding.LARGEST)));
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

    @Override
    public @Nullable Tensor bias() {
        return bias;
    }

    /** In BF16, which holds all integers of 8 bits. */
    @Override
    public Rows wide(Rows x) {
        return new Rows(
                Tensors.scoped(() -> x.values().to(ScalarType.BFloat16).sub_(new Scalar(Int8Product.ZERO_POINT))),
                x.scale());
    }
}
