package io.github.zimage.internal.runtime;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Where a module takes its weights from. */
public interface TensorSource {
    /** Returns a weight in a type, in the shape it is stored in; the source owns it. */
    Tensor get(String name, ScalarType type);

    /**
     * Returns matrices of the same width as one, each below the one before it, if that takes no more memory than they do by
     * themselves; the source owns it. Null if it would, or if the source cannot.
     */
    default @Nullable Tensor joined(List<String> names, ScalarType type) {
        return null;
    }

    /** Returns whether large matrices may be copied into the layout that the processor multiplies fastest by. */
    default boolean isPacked() {
        return false;
    }

    /** Returns a weight to make something else of it, in memory that belongs to the current scope or to the source. */
    default Tensor passing(String name, ScalarType type) {
        return get(name, type);
    }

    /**
     * Returns a matrix in 8-bit integers, rounding it if it is not, in memory that belongs to the current scope or to the source.
     *
     * @param turned whether its rows are to be turned before they are rounded; what is stored in 8-bit integers is as it should be
     */
    Rounded rounded(String name, boolean turned);

    /**
     * Gives all rows of a matrix, to make something else of it.
     *
     * @param consumer gets some rows at a time, in BF16 where they are stored so, else in FP32
     * @throws IllegalStateException if the weights of this source change while they are used
     */
    void readMatrix(String name, MatrixRows consumer);

    /** Keeps a tensor that was made of weights as long as these are there. */
    Tensor own(Tensor tensor);

    /** Returns the shape of a weight. */
    List<Long> shape(String name);

    /** Returns where the weights lie. */
    TensorPlace place();

    /**
     * A matrix in 8-bit integers.
     *
     * @param values [rows, columns] int8
     * @param scales what each row has to be multiplied by, [rows] fp32
     */
    record Rounded(Tensor values, Tensor scales) {}

    /** Takes rows of a matrix. */
    interface MatrixRows {
        /**
         * Takes some rows, which are gone when this returns.
         *
         * @param row the number of the first
         * @param rows [count, columns]
         */
        void accept(long row, Tensor rows);
    }
}
