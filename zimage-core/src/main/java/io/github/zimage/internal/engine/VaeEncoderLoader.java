package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.WeightStore;

/** Makes the encoder of the VAE, which only pictures that start from another picture need. */
public final class VaeEncoderLoader implements ComponentLoader<PictureEncoder> {
    /** The one. */
    public static final VaeEncoderLoader INSTANCE = new VaeEncoderLoader();

    private VaeEncoderLoader() {}

    @Override
    public Component component() {
        return Component.VAE_ENCODER;
    }

    @Override
    public PictureEncoder load(WeightStore weights, LoadContext context) {
        ComputeDevice device = context.device();
        return new PictureEncoder(
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
