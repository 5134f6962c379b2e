package io.github.zimage.batch;

import io.github.zimage.GenerationRequest;
import java.util.concurrent.CompletableFuture;

/** Draws one picture. */
interface Painter {

    /**
     * A picture that has been drawn.
     *
     * @param png the file
     * @param millis how long it took
     */
    @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
    record Picture(byte[] png, int width, int height, long millis) {}

    /** Draws the picture of a request of one. */
    CompletableFuture<Picture> draw(GenerationRequest request);
}
