package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.transformer.ZImageControlNetModel;
import io.github.zimage.internal.weights.WeightStore;
import java.util.Objects;

/** Makes the ControlNet, of a model that has one. */
public final class ControlNetLoader implements ComponentLoader<ZImageControlNetModel> {
    /** The one. */
    public static final ControlNetLoader INSTANCE = new ControlNetLoader();

    private ControlNetLoader() {}

    @Override
    public Component component() {
        return Component.CONTROLNET;
    }

    @Override
    public ZImageControlNetModel load(WeightStore weights, LoadContext context) {
        ControlNetConfig config = Objects.requireNonNull(context.checkpoint().controlNet(), "a ControlNet");
        return new ZImageControlNetModel(
                config, weights, context.kernels(), context.residence(), context.blockSource());
    }

    @Override
    public boolean isPacked(EngineOptions options) {
        return options.packed() && options.residence(component()).kind() == Residence.Kind.RESIDENT;
    }

    @Override
    public void rest(ZImageControlNetModel model) {
        model.rest();
    }

    @Override
    public void forget(ZImageControlNetModel model) {
        model.forget();
    }
}
