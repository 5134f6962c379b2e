package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.EngineLayout;
import io.github.zimage.internal.weights.RowRounding;
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
    /**
     * Packing takes as long as it saves in some 20,000 rows, so what multiplies few, such as the text encoder for a picture, is better off
     * without.
     */
    static final long ROWS_BEFORE_PACKING = 4096;

    private final Tensor scale;
    private final Tensor zeros;
    private final @Nullable Tensor bias;
    private Tensor weight;
    /** Who owns a weight that may be packed, or null. */
    private @Nullable TensorSource owner;

    private long rows;

    /**
     * Creates a layer.
     *
     * @param weight {@linkplain Int8Product#pack packed} or {@linkplain Int8Product#unpacked not}
     * @param scale what each column of the product has to be multiplied by, [out] fp32
     * @param zeros [out] int32, all 0
     * @param owner owns the weight, and will own a packed one once many rows have been multiplied; null if it shall stay as it is
     */
    Int8Linear(Tensor weight, Tensor scale, Tensor zeros, @Nullable Tensor bias, @Nullable TensorSource owner) {
        this.weight = weight;
        this.owner = owner;
        this.scale = scale;
        this.zeros = zeros;
        this.bias = bias;
    }

    /**
     * Reads a layer's weights, or makes them of others, and leaves them to the source. Where they stay they are laid out for the
     * processor when they have been used for a while, one layer at a time, so that no more than one is there twice.
     *
     * @param turned whether the layer will get rows that have been turned by {@link Rotation}
     */
    static Int8Linear load(TensorSource weights, String name, boolean bias, boolean turned) {
        try (PointerScope scope = new PointerScope()) {
            String matrix = name + ".weight";
            Tensor values;
            Tensor scale;
            boolean stays = weights instanceof WeightStore;
            if (weights instanceof WeightStore store) {
                WeightStore.Rounded rounded = store.rounded(matrix, turned);
                values = rounded.values();
                scale = weights.own(rounded.scales());
            } else {
                values = weights.get(matrix, ScalarType.Char);
                scale = weights.get(EngineLayout.scales(matrix), ScalarType.Float);
            }
            return new Int8Linear(
                    weights.own(Int8Product.unpacked(values)),
                    scale,
                    weights.own(zeros(scale.size(0))),
                    bias ? weights.get(name + ".bias", ScalarType.Float) : null,
                    stays ? weights : null);
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

    private void packIfUsedMuch(long more) {
        rows += more;
        TensorSource store = owner;
        if (store == null || rows < ROWS_BEFORE_PACKING) {
            return;
        }
        owner = null;
        Tensor plain = weight;
        weight = store.own(Tensors.scoped(() -> Int8Product.packed(plain)));
        plain.close();
    }

    @Override
    public Rows forward(Rows x) {
        packIfUsedMuch(x.count());
        Tensor product = Int8Product.transposed(x.values(), weight, scale, zeros, ScalarType.BFloat16);
        Rows result = new Rows(product, x.scale());
        return bias == null
                ? result
                : Rows.of(Tensors.scoped(() -> result.floats().add(bias)));
    }
}
