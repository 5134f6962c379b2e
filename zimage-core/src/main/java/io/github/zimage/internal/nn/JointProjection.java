package io.github.zimage.internal.nn;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** Linear layers that are applied to the same rows. */
public interface JointProjection {

    /**
     * Applies the layers.
     *
     * @param x [S, in], made by the {@link Kernels} that made the layers
     * @return for each layer [S, out]; rows may lie further apart than they are long
     */
    List<Rows> forward(Rows x);

    /** Returns a layer's bias, which is in what it gives, or null. */
    default @Nullable Tensor bias(int layer) {
        return null;
    }

    /** As {@link Projection#wide}. */
    default Rows wide(Rows x) {
        return x;
    }

    /**
     * Returns the layers with what adapters add to them; these if that is null.
     *
     * @param addition made for these layers by the {@link Kernels} that made them
     */
    default JointProjection with(@Nullable Addition addition) {
        return addition == null
                ? this
                : x -> {
                    List<Rows> own = forward(x);
                    List<Addition.@Nullable Part> added = addition.parts(x);
                    List<Rows> results = new ArrayList<>();
                    for (int i = 0; i < own.size(); i++) {
                        Addition.Part part = added.get(i);
                        results.add(part == null ? own.get(i) : part.onto(own.get(i), () -> wide(x), bias(i)));
                    }
                    return results;
                };
    }
}
