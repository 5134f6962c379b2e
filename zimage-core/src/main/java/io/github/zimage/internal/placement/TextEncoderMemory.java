package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;

/**
 * What the text encoder needs beside its weights. Lists the tensors that are alive at the same time where the code needs most, so it
 * has to follow the code.
 *
 * @param config its shape
 * @param precision what it computes in
 * @param weights the sizes of its weights
 */
record TextEncoderMemory(TextEncoderConfig config, Precision precision, WeightSizes weights)
        implements ComponentMemory {
    /** An embedding is a few KiB; the system maps the 64 KiB around each one that is read. */
    private static final long FAULT_AROUND = 64 << 10;

    @Override
    public long activations(Phase phase, Workload work, int tile) {
        long e = ComponentMemory.typeBytes(precision);
        long hidden = config.hiddenSize();
        long queries = (long) config.heads() * config.headDim();
        long keys = (long) config.kvHeads() * config.headDim();
        // While queries are rotated: what came in, the projection, and in FP32 its copy, the norm, two halves with a
        // product each, and both joined, then that in the type. While attention runs: queries, keys and values, both of
        // these for all heads, and the result.
        long rotating = e * (hidden + 2 * queries) + Float.BYTES * 5 * queries;
        long attending = e * (hidden + 2 * queries + 3 * keys + 4 * queries);
        // What came in, gate, up, their product, and the result.
        long feedForward = e * (2 * hidden + 3L * config.intermediateSize());
        // All prompts go through a layer one after the other, and are copied to the heap in the end.
        long perToken = 2 * Float.BYTES * hidden * RequestMemory.captions(work)
                + Math.max(Math.max(rotating, attending), feedForward);
        return work.promptTokens() * perToken + weights.largestWithCopies(precision);
    }

    @Override
    public long embeddingRows(Workload work) {
        return FAULT_AROUND * work.promptTokens() * RequestMemory.captions(work);
    }
}
