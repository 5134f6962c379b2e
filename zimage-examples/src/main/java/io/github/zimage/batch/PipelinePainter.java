package io.github.zimage.batch;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Draws with a pipeline. */
final class PipelinePainter implements Painter {
    private final ZImagePipeline pipeline;

    PipelinePainter(ZImagePipeline pipeline) {
        this.pipeline = pipeline;
    }

    @Override
    public CompletableFuture<Picture> draw(GenerationRequest request) {
        // Packed by another thread, so that the device goes on with the next picture.
        return pipeline.generateAsync(request).thenApplyAsync(PipelinePainter::picture);
    }

    private static Picture picture(List<GeneratedImage> images) {
        GeneratedImage image = images.get(0);
        GeneratedImage.Timings timings = image.timings();
        Duration all = timings.encode().plus(timings.denoise()).plus(timings.decode());
        return new Picture(image.toPng(), image.width(), image.height(), all.toMillis());
    }
}
