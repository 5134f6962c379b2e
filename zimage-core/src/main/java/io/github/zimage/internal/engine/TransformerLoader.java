package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.WeightStore;

/** Makes the transformer. */
public final class TransformerLoader implements ComponentLoader<ZImageTransformer2DModel> {
    /** The one. */
    public static final TransformerLoader INSTANCE = new TransformerLoader();

    private TransformerLoader() {}

    @Override
    public Component component() {
        return Component.TRANSFORMER;
    }

    @Override
    public ZImageTransformer2DModel load(WeightStore weights, LoadContext context) {
        return new ZImageTransformer2DModel(
                context.checkpoint().transformer(),
                weights,
                context.kernels(),
                context.residence(),
                context.blockSource());
    }

    @Override
    public boolean isPacked(EngineOptions options) {
        return options.packed() && options.residence(component()).kind() == Residence.Kind.RESIDENT;
    }

    @Override
    public void rest(ZImageTransformer2DModel model) {
        model.rest();
    }

    @Override
    public void forget(ZImageTransformer2DModel model) {
        model.forget();
    }
}
