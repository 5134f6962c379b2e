package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.RrdbNetConfig;

/**
 * What an upscaler needs, its weights among it: each request can name another one.
 *
 * @param request what a request keeps
 * @param precision what the upscaler computes in
 */
record UpscalerMemory(RequestMemory request, Precision precision) implements ComponentMemory {
    @Override
    public long activations(Phase phase, Workload work, int tile) {
        Workload.Upscaling upscaling = work.upscaling();
        if (upscaling == null) {
            return 0;
        }
        RrdbNetConfig network = upscaling.network();
        long scale = network.scale();
        long heap = work.pictures() * scale * scale * upscaling.width() * upscaling.height() * RrdbNetConfig.BANDS;
        return request.kept(work) + heap + peak(upscaling, tile);
    }

    private long peak(Workload.Upscaling upscaling, int tile) {
        return UpscaleMemory.peakBytes(
                upscaling.network(), upscaling.height(), upscaling.width(), precision, UpscaleMemory.tile(tile > 0));
    }

    /** The weights. */
    @Override
    public long kept(Workload work) {
        Workload.Upscaling upscaling = work.upscaling();
        return upscaling == null
                ? 0
                : ComponentMemory.typeBytes(precision) * upscaling.network().parameters();
    }

    /** As much of what it needs as of what {@link DecoderMemory} needs. */
    @Override
    public long workspaces(Phase phase, Workload work, int tile) {
        Workload.Upscaling upscaling = work.upscaling();
        return upscaling == null ? 0 : peak(upscaling, tile) / 2;
    }
}
