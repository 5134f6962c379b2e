package io.github.zimage.internal.placement;

import io.github.zimage.Precision;

/**
 * What the VAE's encoder needs beside its weights.
 *
 * @param request what a request keeps
 * @param precision what the encoder computes in
 * @param weights the sizes of its weights
 */
record EncoderMemory(RequestMemory request, Precision precision, WeightSizes weights) implements ComponentMemory {
    @Override
    public long activations(Phase phase, Workload work, int tile) {
        return request.source(work) + withLargest(work, tile);
    }

    private long withLargest(Workload work, int tile) {
        return EncodeMemory.peakBytes(request.vae(), work.height(), work.width(), precision, tile) + weights.largest();
    }

    /** As much of what it needs as of what {@link DecoderMemory} needs. */
    @Override
    public long workspaces(Phase phase, Workload work, int tile) {
        return withLargest(work, tile) / 2;
    }
}
