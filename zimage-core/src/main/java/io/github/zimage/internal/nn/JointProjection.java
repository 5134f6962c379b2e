package io.github.zimage.internal.nn;

import java.util.List;

/** Linear layers that are applied to the same rows. */
public interface JointProjection {

    /**
     * Applies the layers.
     *
     * @param x [S, in], made by the {@link Kernels} that made the layers
     * @return for each layer [S, out]; rows may lie further apart than they are long
     */
    List<Rows> forward(Rows x);
}
