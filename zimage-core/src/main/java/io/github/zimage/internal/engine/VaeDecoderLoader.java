package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.weights.WeightStore;

/** Makes the decoder of the VAE. */
public final class VaeDecoderLoader implements ComponentLoader<PictureDecoder> {
    /** The one. */
    public static final VaeDecoderLoader INSTANCE = new VaeDecoderLoader();

    private VaeDecoderLoader() {}

    @Override
    public Component component() {
        return Component.VAE;
    }

    @Override
    public PictureDecoder load(WeightStore weights, LoadContext context) {
        ComputeDevice device = context.device();
        return new PictureDecoder(
                context.checkpoint().vae(),
                weights,
                () -> new WeightStore(weights(context.checkpoint()), device.place(), done -> {}),
                context::kernels,
                context.precision(),
                context.options().vaeTiling(),
                context::roomForPicture);
    }

    @Override
    public boolean changesWith(EngineOptions before, EngineOptions after) {
        return !after.vaeTiling().equals(before.vaeTiling());
    }
}
