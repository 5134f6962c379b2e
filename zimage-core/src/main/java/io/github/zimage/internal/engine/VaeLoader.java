package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.WeightStore;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Makes a half of the VAE.
 *
 * @param component which half
 * @param maker makes it
 * @param <M> its model
 */
public record VaeLoader<M>(Component component, Maker<M> maker) implements ComponentLoader<M> {
    /** The half that turns latents into pictures. */
    public static final VaeLoader<PictureDecoder> DECODER = new VaeLoader<>(Component.VAE, PictureDecoder::new);

    /** The half that turns pictures into latents, which only pictures that start from another picture need. */
    public static final VaeLoader<PictureEncoder> ENCODER = new VaeLoader<>(Component.VAE_ENCODER, PictureEncoder::new);

    /**
     * Makes a half.
     *
     * @param <M> its model
     */
    @FunctionalInterface
    public interface Maker<M> {
        /**
         * Makes it of its weights.
         *
         * @param reopened opens the store a second time, for other weights in case these fail
         * @param kernels gives those of a precision
         * @param tiles whether pictures go in tiles
         */
        M make(
                VaeConfig config,
                WeightStore weights,
                Supplier<WeightStore> reopened,
                Function<Precision, Kernels> kernels,
                Precision precision,
                TileChoice tiles);
    }

    @Override
    public M load(WeightStore weights, LoadContext context) {
        return maker.make(
                context.checkpoint().vae(),
                weights,
                () -> new WeightStore(
                        weights(context.checkpoint()), context.device().place(), done -> {}),
                context::kernels,
                context.precision(),
                context.tiles());
    }

    @Override
    public boolean changesWith(EngineOptions before, EngineOptions after) {
        return !after.vaeTiling().equals(before.vaeTiling());
    }
}
