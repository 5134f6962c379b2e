package io.github.zimage.serve;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.MemoryPlan;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;

/** Draws with a pipeline. */
public final class PipelineBackend implements ImageBackend {
    private final ZImagePipeline pipeline;
    private final Executor encoder;
    private final int warmUpSide;

    /**
     * Takes over a pipeline.
     *
     * @param encoder makes the PNG files, so that the pipeline can go on
     * @param warmUpSide width and height of the picture that is drawn first, in pixels
     */
    public PipelineBackend(ZImagePipeline pipeline, Executor encoder, int warmUpSide) {
        this.pipeline = pipeline;
        this.encoder = encoder;
        this.warmUpSide = warmUpSide;
    }

    @Override
    public void warmUp(BiConsumer<GenerationRequest, Duration> stepped) {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a fox")
                .size(warmUpSide, warmUpSide)
                .steps(2)
                .seed(1)
                .build();
        pipeline.generateAll(request, new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                stepped.accept(request, elapsed);
            }
        });
    }

    @Override
    public void check(GenerationRequest request) {
        pipeline.check(request);
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // what depends on it throws nothing
    public CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener) {
        CompletableFuture<List<GeneratedImage>> drawing = pipeline.generateAsync(request, listener);
        CompletableFuture<List<EncodedImage>> pictures = drawing.thenApplyAsync(PipelineBackend::pictures, encoder);
        // Cancelling what depends on a future does not cancel that.
        pictures.whenComplete((done, failure) -> {
            if (pictures.isCancelled()) {
                drawing.cancel(true);
            }
        });
        return pictures;
    }

    private static List<EncodedImage> pictures(List<GeneratedImage> images) {
        return images.stream()
                .map(image -> new EncodedImage(
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
    public long peakBytes() {
        return pipeline.measuredPeaks().map(MemoryPlan.Peaks::highest).orElse(0L);
    }

    @Override
    public void close() {
        pipeline.close();
    }
}
