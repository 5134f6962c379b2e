package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.weights.WeightStore;

/** Makes the text encoder. */
public final class TextEncoderLoader implements ComponentLoader<Qwen3Model> {
    /** The one. */
    public static final TextEncoderLoader INSTANCE = new TextEncoderLoader();

    private TextEncoderLoader() {}

    @Override
    public Component component() {
        return Component.TEXT_ENCODER;
    }

    @Override
    public Qwen3Model load(WeightStore weights, LoadContext context) {
        return new Qwen3Model(
                context.checkpoint().textEncoder(),
                weights,
                context.kernels(),
                context.residence(),
                context.blockSource());
    }

    @Override
    public void rest(Qwen3Model model) {
        model.rest();
    }
}
