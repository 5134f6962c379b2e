package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.upscale.PictureUpscaler;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;

/**
 * Makes the upscaler of a file. Loaders of the same file are equal.
 *
 * @param file where its weights lie
 */
public record UpscalerLoader(UpscalerFile file) implements ComponentLoader<PictureUpscaler> {
    @Override
    public Component component() {
        return Component.UPSCALER;
    }

    @Override
    public WeightIndex weights(Checkpoint checkpoint) {
        return file.weights();
    }

    @Override
    public PictureUpscaler load(WeightStore weights, LoadContext context) {
        return new PictureUpscaler(file.config(), weights, context.kernels(), context.tiles());
    }

    @Override
    public boolean changesWith(EngineOptions before, EngineOptions after) {
        return !after.vaeTiling().equals(before.vaeTiling());
    }
}
