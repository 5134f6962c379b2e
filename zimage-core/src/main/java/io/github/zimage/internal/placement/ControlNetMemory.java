package io.github.zimage.internal.placement;

import io.github.zimage.internal.config.ControlNetConfig;

/**
 * What a ControlNet needs beside its weights, in addition to the transformer, between whose blocks it runs: their temporaries are freed by then, and
 * its own are as large.
 *
 * @param request what a request keeps
 * @param config the ControlNet's shape
 */
record ControlNetMemory(RequestMemory request, ControlNetConfig config) implements ComponentMemory {
    private static final int FLOAT = Float.BYTES;

    /** The embedded pictures, which are the same in all steps, and a stream for each of them and each picture that is drawn. */
    @Override
    public long activations(Phase phase, Workload work, int tile) {
        long image = request.imageTokens(work) * FLOAT * (long) config.base().dim();
        long caption =
                RequestMemory.captionTokens(work) * FLOAT * (long) config.base().dim();
        long group = (long) Math.min(work.pictures(), work.picturesAtOnce()) * (work.guided() ? 2 : 1);
        return work.controls() * (image + latents(work) + group * (image + caption));
    }

    private long latents(Workload work) {
        return request.latentPixels(work) * config.inChannels() * FLOAT;
    }

    /** The norms of all blocks for each step of the schedules that are kept. */
    @Override
    public long kept(Workload work) {
        long steps = Math.max(work.steps(), Workload.KEPT_STEPS);
        return steps * config.blocks().size() * 4 * config.base().dim() * FLOAT;
    }

    /** What recordings read: the embedded pictures; and a stream for each in the memory of a run. */
    @Override
    public long recordings(Workload work) {
        long image = request.imageTokens(work) * FLOAT * (long) config.base().dim();
        long caption =
                RequestMemory.captionTokens(work) * FLOAT * (long) config.base().dim();
        return work.controls() * (Workload.RECORDED_SHAPES * image + image + caption);
    }
}
