package io.github.zimage.internal.nn;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Layers that are applied one after the other.
 *
 * @param layers the layers
 */
record SeparateProjections(List<Projection> layers) implements JointProjection {

    @Override
    public List<Rows> forward(Rows x) {
        return layers.stream().map(each -> each.forward(x)).toList();
    }

    @Override
    public JointProjection with(@Nullable Addition addition) {
        return addition == null ? this : x -> forward(x, addition.parts(x));
    }

    private List<Rows> forward(Rows x, List<Addition.@Nullable Part> added) {
        List<Rows> results = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            Addition.Part part = added.get(i);
            results.add(part == null ? layers.get(i).forward(x) : layers.get(i).forward(x, part));
        }
        return results;
    }
}
