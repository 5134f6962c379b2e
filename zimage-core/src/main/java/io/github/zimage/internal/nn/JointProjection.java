package io.github.zimage.internal.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
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

    /**
     * Returns the layers with what adapters add to them; these if that is nothing.
     *
     * @param additions for each layer, or null; made by the {@link Kernels} that made the layers
     */
    default JointProjection with(List<? extends @Nullable Addition> additions) {
        if (additions.stream().noneMatch(Objects::nonNull)) {
            return this;
        }
        return x -> {
            List<Rows> own = forward(x);
            List<Rows> results = new ArrayList<>();
            for (int i = 0; i < own.size(); i++) {
                Addition addition = additions.get(i);
                results.add(addition == null ? own.get(i) : addition.onto(own.get(i), x));
            }
            return results;
        };
    }
}
