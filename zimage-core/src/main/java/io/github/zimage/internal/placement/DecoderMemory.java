package io.github.zimage.internal.placement;

import io.github.zimage.Precision;

/**
 * What the VAE's decoder needs beside its weights.
 *
 * @param request what a request keeps
 * @param precision what the decoder computes in
 * @param weights the sizes of its weights
 */
record DecoderMemory(RequestMemory request, Precision precision, WeightSizes weights) implements ComponentMemory {
    @Override
    public long activations(Phase phase, Workload work, int tile) {
        return request.kept(work) + withLargest(work, tile);
    }

    private long withLargest(Workload work, int tile) {
        return decoding(work, tile) + weights.largest();
    }

    @Override
    public long decoding(Workload work, int tile) {
        return DecodeMemory.peakBytes(request.vae(), work.height(), work.width(), precision, tile);
    }

    /**
     * On an H200, cuDNN took 0.6 GiB at 1024 x 1024, for which decoding needs 1.3, and 0.8 GiB at 1280 x 1280, for which it needs 2.0.
     */
    @Override
    public long workspaces(Phase phase, Workload work, int tile) {
        return withLargest(work, tile) / 2;
    }
}
