package io.github.zimage.internal.nn;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** A linear layer of a block, of which there are hundreds, and which take nearly all of the time. */
public interface Projection {

    /**
     * Applies the layer.
     *
     * @param x [S, in], made by the {@link Kernels} that made the layer
     * @return [S, out]
     */
    Rows forward(Rows x);

    /** Returns the layer's bias, which is in what it gives, or null. */
    default @Nullable Tensor bias() {
        return null;
    }

    /** Returns rows that the layer takes in the type of what adapters add, with 0 for zero; each row still has to be multiplied by its scale. */
    default Rows wide(Rows x) {
        return x;
    }

    /** As {@link #forward(Rows)}, with what adapters add to the layer for these rows. */
    default Rows forward(Rows x, Addition.Part added) {
        return added.onto(forward(x), () -> wide(x), bias());
    }

    /**
     * Returns the layer with what adapters add to it; itself if that is null.
     *
     * @param addition made by the {@link Kernels} that made the layer
     */
    default Projection with(@Nullable Addition addition) {
        return addition == null
                ? this
                : x -> {
                    Addition.Part added = addition.parts(x).get(0);
                    return added == null ? forward(x) : forward(x, added);
                };
    }
}
