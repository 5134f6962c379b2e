package io.github.zimage.examples.serve;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** Draws with a pipeline. */
public final class PipelinePainter implements Painter {
    private final ZImagePipeline pipeline;
    private final Executor encoder;

    /**
     * Takes over a pipeline.
     *
     * @param encoder makes the PNG files, so that the pipeline can go on
     */
    public PipelinePainter(ZImagePipeline pipeline, Executor encoder) {
        this.pipeline = pipeline;
        this.encoder = encoder;
    }

    @Override
    public void check(GenerationRequest request) {
        pipeline.check(request);
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // what depends on it throws nothing
    public CompletableFuture<List<Picture>> paint(GenerationRequest request, GenerationListener listener) {
        CompletableFuture<List<GeneratedImage>> drawing = pipeline.generateAsync(request, listener);
        CompletableFuture<List<Picture>> pictures = drawing.thenApplyAsync(PipelinePainter::pictures, encoder);
        // Cancelling what depends on a future does not cancel that.
        pictures.whenComplete((done, failure) -> {
            if (pictures.isCancelled()) {
                drawing.cancel(true);
            }
        });
        return pictures;
    }

    private static List<Picture> pictures(List<GeneratedImage> images) {
        return images.stream()
                .map(image -> new Picture(
                        image.toPng(), image.width(), image.height(), Objects.requireNonNull(image.seed(), "seed")))
                .toList();
    }

    @Override
    public void trim() {
        pipeline.trim();
    }

    @Override
    public boolean shrink() {
        return pipeline.shrink();
    }

    @Override
    public long plannedBytes() {
        return pipeline.plan().peaks().highest();
    }

    @Override
    public void close() {
        pipeline.close();
    }
}
