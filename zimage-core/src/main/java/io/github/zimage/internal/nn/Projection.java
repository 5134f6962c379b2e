package io.github.zimage.internal.nn;

/** A linear layer of a block, of which there are hundreds, and which take nearly all of the time. */
public interface Projection {

    /**
     * Applies the layer.
     *
     * @param x [S, in], made by the {@link Kernels} that made the layer
     * @return [S, out]
     */
    Rows forward(Rows x);
}
