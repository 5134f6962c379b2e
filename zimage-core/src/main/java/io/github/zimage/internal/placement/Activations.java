package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import java.util.Objects;

/**
 * How much memory a generation needs beside weights. Each formula lists the tensors that are alive at the same time where the code
 * needs most, so it has to follow the code.
 *
 * <p>Attention is taken to be one that does not keep the scores of all tokens at once, as all but {@code math} are.
 */
final class Activations {
    private static final int SEQUENCE_MULTIPLE = 32;
    private static final int FLOAT = Float.BYTES;
    /** A complex number of two floats, half as many as a head has features, for queries and for keys. */
    private static final int ROTATION_BYTES_PER_FEATURE = 8;
    /** An embedding is a few KiB; the system maps the 64 KiB around each one that is read. */
    private static final long FAULT_AROUND = 64 << 10;

    /** As in the engine: of how many shapes the transformer's work is recorded. */
    private static final int SHAPES = 8;
    /** What the driver keeps for a recording of a thousand operations. Not measured. */
    private static final long RECORDING = 32L << 20;

    private final ModelLayout layout;
    private final Workload work;

    Activations(ModelLayout layout, Workload work) {
        this.layout = layout;
        this.work = work;
    }

    /** Returns what a phase needs at its peak, given the tiles that pictures are decoded in, or 0. */
    long of(Phase phase, int tile) {
        return switch (phase) {
            case TEXT -> textEncoder();
            case DENOISE -> kept() + Math.max(contextRefiner(), steps());
            case DECODE -> kept() + decode(tile);
        };
    }

    /** Returns what of the table of embeddings is in memory once prompts have been encoded, for the table is mapped. */
    long embeddingRows() {
        return FAULT_AROUND * work.promptTokens() * captions();
    }

    private long textEncoder() {
        TextEncoderConfig config = layout.textEncoder();
        long e = layout.typeBytes(Component.TEXT_ENCODER);
        long hidden = config.hiddenSize();
        long queries = (long) config.heads() * config.headDim();
        long keys = (long) config.kvHeads() * config.headDim();
        // While queries are rotated: what came in, the projection, and in FP32 its copy, the norm, two halves with a
        // product each, and both
        // joined, then that in the type. While attention runs: queries, keys and values, both of these for all heads,
        // and the result.
        long rotating = e * (hidden + 2 * queries) + FLOAT * 5 * queries;
        long attending = e * (hidden + 2 * queries + 3 * keys + 4 * queries);
        // What came in, gate, up, their product, and the result.
        long feedForward = e * (2 * hidden + 3L * config.intermediateSize());
        // All prompts go through a layer one after the other, and are copied to the heap in the end.
        long perToken = 2 * FLOAT * hidden * captions() + Math.max(Math.max(rotating, attending), feedForward);
        return work.promptTokens() * perToken
                + copies(Component.TEXT_ENCODER)
                        * layout.part(Component.TEXT_ENCODER).largest();
    }

    private long contextRefiner() {
        long embeddings = captions()
                * captionTokens()
                * FLOAT
                * (long) layout.transformer().capFeatDim();
        return embeddings
                + block(captionTokens())
                + layout.part(Component.TRANSFORMER).largest();
    }

    /** What is kept until a request is done: captions, latents, rotations, finished pictures on the heap. */
    private long kept() {
        TransformerConfig config = layout.transformer();
        long captions = captions() * captionTokens() * FLOAT * (long) config.dim();
        long rotations =
                captions() * (captionTokens() + imageTokens()) * ROTATION_BYTES_PER_FEATURE * (long) config.headDim();
        long latents = (long) work.pictures() * latentPixels() * config.inChannels() * FLOAT;
        long heap = (long) work.pictures() * pixels() * 3;
        return captions + rotations + latents + heap;
    }

    /** Returns what is kept of the timesteps of schedules for later requests: the norms of all blocks for each step. */
    long modulations() {
        TransformerConfig config = layout.transformer();
        long steps = Math.max(work.steps(), Workload.KEPT_STEPS);
        return steps * (config.layers() + config.refinerLayers()) * 4 * config.dim() * FLOAT;
    }

    private long steps() {
        long all = imageTokens() + captionTokens();
        long group = (long) Math.min(work.pictures(), work.picturesAtOnce()) * (work.guided() ? 2 : 1);
        return group * stream()
                + block(all)
                + copies(Component.TRANSFORMER)
                        * layout.part(Component.TRANSFORMER).largest();
    }

    /** A matrix of 8-bit integers that is packed is there column by column, row by row, and packed beside the one it is made of. */
    private long copies(Component component) {
        return layout.precisions().get(component) == Precision.INT8 ? 3 : 1;
    }

    /** A picture's stream before and after its caption is appended, in FP32, and the rotations of both together. */
    private long stream() {
        TransformerConfig config = layout.transformer();
        long image = imageTokens();
        long all = image + captionTokens();
        return FLOAT * (image + all) * config.dim() + ROTATION_BYTES_PER_FEATURE * all * config.headDim();
    }

    /**
     * Returns what recordings of the transformer's work keep: the memory of one run, which they share, and each the tensors that it
     * reads and writes.
     */
    long recordings() {
        TransformerConfig config = layout.transformer();
        long all = imageTokens() + captionTokens();
        long own = FLOAT * captionTokens() * config.dim()
                + ROTATION_BYTES_PER_FEATURE * all * config.headDim()
                + 2 * FLOAT * latentPixels() * config.inChannels();
        return stream() + block(all) + SHAPES * (own + RECORDING);
    }

    /** What one picture needs inside a block, in the type of the linear layers, and beside it oneDNN's copy of a matrix. */
    private long block(long tokens) {
        TransformerConfig config = layout.transformer();
        long e = layout.typeBytes(Component.TRANSFORMER);
        // The norm, queries and keys before and after they are rotated, values, what attention gives, and its
        // projection.
        long attention = 8L * config.dim();
        // The norm, gate, up, their product, and the result.
        long feedForward = 2L * config.dim() + 3L * config.ffnDim();
        return tokens * e * Math.max(attention, feedForward);
    }

    /** What decoding a picture needs: at once, if the tile is 0, or so many rows at a time. */
    private long decode(int tile) {
        Precision precision = Objects.requireNonNull(layout.precisions().get(Component.VAE));
        return DecodeMemory.peakBytes(layout.vae(), work.height(), work.width(), precision, tile)
                + layout.part(Component.VAE).largest();
    }

    /**
     * Returns what cuDNN takes to try its convolutions beside what decoding needs. On an H200 that was 0.6 GiB at 1024 x 1024, for which
     * decoding needs 1.3, and 0.8 GiB at 1280 x 1280, for which it needs 2.0.
     */
    long workspaces(int tile) {
        return decode(tile) / 2;
    }

    /** One for each prompt, and one for the negative prompt. */
    private long captions() {
        return (long) work.prompts() + (work.guided() ? 1 : 0);
    }

    private long captionTokens() {
        return padded(work.promptTokens());
    }

    private long imageTokens() {
        int patch = TransformerConfig.PATCH_SIZE;
        return padded(latentPixels() / patch / patch);
    }

    private long latentPixels() {
        int scale = layout.vae().scale();
        return (long) (work.height() / scale) * (work.width() / scale);
    }

    private long pixels() {
        return (long) work.width() * work.height();
    }

    private static long padded(long tokens) {
        return (tokens + SEQUENCE_MULTIPLE - 1) / SEQUENCE_MULTIPLE * SEQUENCE_MULTIPLE;
    }
}
