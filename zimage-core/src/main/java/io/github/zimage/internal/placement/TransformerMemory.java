package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.TransformerConfig;

/**
 * What the transformer needs beside its weights. Each formula lists the tensors that are alive at the same time where the code needs
 * most, so it has to follow the code.
 *
 * <p>Attention is taken to be one that does not keep the scores of all tokens at once, as all but {@code math} are.
 *
 * @param request what a request keeps
 * @param precision what the transformer computes in
 * @param weights the sizes of its weights
 */
record TransformerMemory(RequestMemory request, Precision precision, WeightSizes weights) implements ComponentMemory {
    private static final int FLOAT = Float.BYTES;

    /** What the driver keeps for a recording of a thousand operations. Not measured. */
    private static final long RECORDING = 32L << 20;

    private TransformerConfig config() {
        return request.transformer();
    }

    @Override
    public long activations(Phase phase, Workload work, int tile) {
        return request.kept(work) + Math.max(contextRefiner(work), steps(work));
    }

    private long contextRefiner(Workload work) {
        long captionTokens = RequestMemory.captionTokens(work);
        long embeddings = RequestMemory.captions(work) * captionTokens * FLOAT * (long) config().capFeatDim();
        return embeddings + block(captionTokens, false) + weights.largest();
    }

    private long steps(Workload work) {
        long group = (long) Math.min(work.pictures(), work.picturesAtOnce()) * (work.guided() ? 2 : 1);
        return group * stream(work)
                + keptStreams(work, group)
                + block(tokens(work), work.avoiding())
                + weights.largestWithCopies(precision);
    }

    /** Of a first block cache: for each input what two parts of the blocks added, and while it runs where it was and what the first adds. */
    private long keptStreams(Workload work, long group) {
        long inputs = (long) work.pictures() * (work.guided() ? 2 : 1);
        return work.keepsStreams() ? 2 * (inputs + group) * FLOAT * tokens(work) * config().dim() : 0;
    }

    /** What is kept of the timesteps of schedules: the norms of all blocks for each step; and LoRAs. */
    @Override
    public long kept(Workload work) {
        long steps = Math.max(work.steps(), Workload.KEPT_STEPS);
        long norms = steps * (config().layers() + config().refinerLayers()) * 4 * config().dim() * FLOAT;
        return norms + work.adapterNumbers() * adapterBytes();
    }

    /** For rows of 8 bits the first factor is two matrices of such numbers, and GPUs keep the second one twice, in BF16. */
    private long adapterBytes() {
        return precision.isEightBit() ? 2 * Short.BYTES : ComponentMemory.typeBytes(precision);
    }

    /** A picture's stream before and after its caption is appended, in FP32, and the rotations of both together. */
    private long stream(Workload work) {
        long image = request.imageTokens(work);
        long all = tokens(work);
        return FLOAT * (image + all) * config().dim()
                + RequestMemory.ROTATION_BYTES_PER_FEATURE * all * config().headDim();
    }

    /** The memory of one run, which recordings share, and for each the tensors that it reads and writes. */
    @Override
    public long recordings(Workload work) {
        long all = tokens(work);
        long own = FLOAT * captionRows(work) * config().dim()
                + RequestMemory.ROTATION_BYTES_PER_FEATURE * all * config().headDim()
                + 2 * FLOAT * request.latentPixels(work) * config().inChannels();
        return stream(work) + block(all, work.avoiding()) + Workload.RECORDED_SHAPES * (own + RECORDING);
    }

    /** What one picture needs inside a block, in the type of the linear layers, and beside it oneDNN's copy of a matrix. */
    private long block(long tokens, boolean avoiding) {
        // The norm, queries and keys before and after they are rotated, values, what attention gives, and its
        // projection. With two captions, queries, keys and values twice or what two attentions give, in FP32 too.
        long attention = (avoiding ? 13L : 8L) * config().dim();
        // The norm, gate, up, their product, and the result.
        long feedForward = 2L * config().dim() + 3L * config().ffnDim();
        return tokens * ComponentMemory.typeBytes(precision) * Math.max(attention, feedForward);
    }

    private long tokens(Workload work) {
        return request.imageTokens(work) + captionRows(work);
    }

    private static long captionRows(Workload work) {
        return RequestMemory.captionTokens(work) * (work.avoiding() ? 2 : 1);
    }
}
