package io.github.zimage.serve;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;

/** Draws requests: a pipeline, or what stands in for one in tests. Thread-safe. */
interface ImageBackend extends AutoCloseable {
    /**
     * Draws once, so that the first client does not wait for pages, caches and compilers. Blocks.
     *
     * @param stepped hears of each step what was being drawn and how long it took
     */
    void warmUp(BiConsumer<GenerationRequest, Duration> stepped);

    /** Throws {@link IllegalArgumentException} if a request does not suit the model. */
    void check(GenerationRequest request);

    /** Draws, after what it was given before. The listener hears when that begins. Cancelling the future ends the work within a step. */
    CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener);

    /** Frees what is kept only to be used again. */
    void trim();

    /** Goes on with less memory, if that can be; else returns false. */
    boolean shrink();

    /** Returns how many bytes the latest request had in memory at most, on the device that computes; 0 if nobody tells. */
    long peakBytes();

    @Override
    void close();
}
