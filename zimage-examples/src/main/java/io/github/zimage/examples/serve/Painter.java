package io.github.zimage.examples.serve;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Draws requests: a pipeline, or what stands in for one in tests. Thread-safe. */
interface Painter extends AutoCloseable {
    /** Throws {@link IllegalArgumentException} if a request does not suit the model. */
    void check(GenerationRequest request);

    /** Draws. Cancelling the future ends the work within a step. */
    CompletableFuture<List<Picture>> paint(GenerationRequest request, GenerationListener listener);

    /** Frees what is kept only to be used again. */
    void trim();

    /** Goes on with less memory, if that can be; else returns false. */
    boolean shrink();

    /** Returns the most memory that is planned for, in bytes. */
    long plannedBytes();

    @Override
    void close();
}
