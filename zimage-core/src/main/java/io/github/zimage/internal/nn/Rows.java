package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Rows of numbers on their way into a linear layer or out of one: values, what adapters add to them, and the scale by which each row of the sum
 * still has to be multiplied. Whoever reads the rows next does so in passing.
 *
 * @param values [S, features]; into a layer of 8-bit integers as such, with 128 for zero; else in the linear layers' type
 * @param scale [S, 1] fp32, or null where it is 1
 * @param added what is added before scaling, or null
 */
public record Rows(
        Tensor values, @Nullable Tensor scale, @Nullable Added added) {

    /**
     * A product of two narrow matrices, {@code inner up^T}, which is not computed yet.
     *
     * @param inner [S, ranks]
     * @param up [features, ranks] of the same type
     */
    public record Added(Tensor inner, Tensor up) {

        Tensor product() {
            return MatrixProduct.transposed(inner, up, null);
        }

        /** Adds the product to rows of the same type, in place, rounding the sum to that. */
        public void addTo(Tensor rows) {
            rows.addmm_(inner, up.t());
        }
    }

    /** Creates rows to which nothing is added. */
    public Rows(Tensor values, @Nullable Tensor scale) {
        this(values, scale, null);
    }

    /** Returns rows that need no scale. */
    public static Rows of(Tensor values) {
        return new Rows(values, null);
    }

    /** Returns these rows with a product that is added to them. */
    Rows adding(Added further) {
        return added == null
                ? new Rows(values, scale, further)
                : Rows.of(floats()).adding(further);
    }

    /** Returns how many rows there are. */
    public long count() {
        return values.size(0);
    }

    /** Returns whether the values are all there is. */
    public boolean isPlain() {
        return scale == null && added == null;
    }

    /** Returns rows to which nothing is added any more: the sum in place, rounded again, if it is in BF16 and has no scale; else in FP32. */
    public Rows settled() {
        if (added == null) {
            return this;
        }
        if (scale != null || !Tensors.isOf(values, ScalarType.BFloat16)) {
            return Rows.of(floats());
        }
        added.addTo(values);
        return Rows.of(values);
    }

    /** Returns some of the rows. */
    public Rows narrow(long row, long count) {
        return new Rows(
                values.narrow(0, row, count),
                scale == null ? null : scale.narrow(0, row, count),
                added == null ? null : new Added(added.inner().narrow(0, row, count), added.up()));
    }

    /** Returns what a linear layer gave in FP32, [S, features]; it may be the values themselves. */
    public Tensor floats() {
        Tensor floats = Tensors.cast(values, ScalarType.Float);
        if (added == null) {
            return scale == null ? floats : floats.mul(scale);
        }
        Tensor sum = Tensors.cast(added.product(), ScalarType.Float).add_(floats);
        return scale == null ? sum : sum.mul_(scale);
    }
}
