package io.github.zimage.tuning;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.tuning.TuningResult.CacheMeasurement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/** Draws the same pictures without and with step caches, one after the other in one pipeline, and compares them. */
final class StepCacheTrial {
    /** From the slowest and nearest to the fastest. All are known before a run, so that they do wherever weights are. */
    private static final List<StepCache> CANDIDATES =
            List.of(StepCache.mask("slow"), StepCache.mask("medium"), StepCache.mask("fast"));

    /** One picture may happen to be drawn otherwise, or happen not to. */
    private static final int PICTURES = 3;

    private static final double MOST_DECIBELS = 99;

    private final ZImagePipeline pipeline;
    private final GenerationRequest request;
    private final TuningListener listener;
    private final GenerationListener pictureListener;

    private StepCacheTrial(
            ZImagePipeline pipeline,
            GenerationRequest request,
            TuningListener listener,
            GenerationListener pictureListener) {
        this.pipeline = pipeline;
        this.request = request;
        this.listener = listener;
        this.pictureListener = pictureListener;
    }

    /**
     * Measures no cache, which comes first, and all candidates.
     *
     * @param request for one picture without a cache, in at least {@link StepCache#LEAST_STEPS} steps
     */
    static List<CacheMeasurement> of(
            PipelineBuilder builder,
            GenerationRequest request,
            TuningListener listener,
            GenerationListener pictureListener) {
        try (ZImagePipeline pipeline = builder.build()) {
            return new StepCacheTrial(pipeline, request, listener, pictureListener).measure();
        }
    }

    private List<CacheMeasurement> measure() {
        List<CacheMeasurement> measured = new ArrayList<>();
        List<GeneratedImage> plain = drawn(StepCache.OFF);
        measured.add(measurement(StepCache.OFF, plain, plain));
        for (StepCache each : CANDIDATES) {
            measured.add(measurement(each, drawn(each), plain));
        }
        return measured;
    }

    private List<GeneratedImage> drawn(StepCache cache) {
        List<GeneratedImage> images = new ArrayList<>();
        for (long seed : LongStream.rangeClosed(1, PICTURES).toArray()) {
            listener.onPicture();
            images.addAll(pipeline.generateAll(
                    request.toBuilder()
                            .seed(seed)
                            .sampling(sampling -> sampling.withStepCache(cache))
                            .build(),
                    pictureListener));
        }
        return images;
    }

    private CacheMeasurement measurement(StepCache cache, List<GeneratedImage> drawn, List<GeneratedImage> plain) {
        double error = 0;
        Duration fastest = Duration.ofDays(1);
        for (int i = 0; i < drawn.size(); i++) {
            error += Psnr.meanSquaredError(drawn.get(i).rgb(), plain.get(i).rgb()) / drawn.size();
            Duration time =
                    drawn.get(i).timings().denoise().plus(drawn.get(i).timings().decode());
            fastest = time.compareTo(fastest) < 0 ? time : fastest;
        }
        CacheMeasurement measurement = new CacheMeasurement(
                cache, drawn.get(0).timings().forwards(), fastest, Math.min(MOST_DECIBELS, Psnr.decibels(error)));
        listener.onStepCache(measurement);
        return measurement;
    }
}
