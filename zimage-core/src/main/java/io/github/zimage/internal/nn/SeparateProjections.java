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
    public JointProjection with(List<? extends @Nullable Addition> additions) {
        List<Projection> with = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            with.add(layers.get(i).with(additions.get(i)));
        }
        return new SeparateProjections(with);
    }
}
