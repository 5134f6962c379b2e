package io.github.zimage.internal.nn;

import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Rows of numbers on their way into a linear layer or out of one: values, each row of which still has to be multiplied by its scale.
 * Whoever reads the rows next does so in passing.
 *
 * @param values [S, features]; into a layer of 8-bit integers as such, with 128 for zero; else in the linear layers' type
 * @param scale [S, 1] fp32, or null where it is 1
 */
public record Rows(Tensor values, @Nullable Tensor scale) {

    /** Returns rows that need no scale. */
    public static Rows of(Tensor values) {
        return new Rows(values, null);
    }

    /** Returns how many rows there are. */
    public long count() {
        return values.size(0);
    }

    /** Returns some of the rows. */
    public Rows narrow(long row, long count) {
        return new Rows(values.narrow(0, row, count), scale == null ? null : scale.narrow(0, row, count));
    }

    /** Returns what a linear layer gave in FP32, [S, features]; it may be the values themselves. */
    public Tensor floats() {
        Tensor floats = Tensors.cast(values, ScalarType.Float);
        return scale == null ? floats : floats.mul(scale);
    }
}
