package io.github.zimage.internal.nn;

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

    /**
     * Returns the layer with what adapters add to it; itself if that is null.
     *
     * @param addition made by the {@link Kernels} that made the layer
     */
    default Projection with(@Nullable Addition addition) {
        return addition == null ? this : x -> addition.onto(forward(x), x);
    }
}
