package io.github.zimage.tuning;

import io.github.zimage.AttentionBackend;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.tuning.TuningResult.Measurement;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * What one candidate took and drew.
 *
 * @param step the fastest of its steps, which is a warm one
 * @param longest the longest time it let us wait for anything
 * @param image its last picture
 */
record CandidateRun(
        Precision precision,
        AttentionBackend attention,
        Duration load,
        Duration step,
        Duration longest,
        GeneratedImage image) {
    /** By so many tokens a pipeline is warm: small models run on code that the JVM has yet to compile. */
    private static final long WARM_TOKENS = 8192;

    /** Pictures so small that these do not warm up take no time anyway. */
    private static final int MOST_PICTURES = 32;

    /** Width and height of what is one token. */
    private static final int TOKEN_PIXELS = 16;

    private static final long POLL_MILLIS = 100;

    /** A candidate that lets us wait longer than the longest of the best so far, by this factor, is given up. */
    private static final int PATIENCE = 3;

    /** Stands for pictures that are the same. */
    private static final double MOST_DECIBELS = 99;

    /**
     * Draws pictures until a step is as fast as it gets.
     *
     * @param patience how long nothing may happen
     * @param beforePicture is run before each of them
     * @param listener hears of encoding, steps and decoding
     * @return null if nothing happened for longer
     */
    static @Nullable CandidateRun of(
            PipelineBuilder builder,
            Precision precision,
            GenerationRequest request,
            Duration patience,
            Runnable beforePicture,
            GenerationListener listener) {
        long start = System.nanoTime();
        try (ZImagePipeline pipeline = builder.build()) {
            Duration load = Duration.ofNanos(System.nanoTime() - start);
            StepWatch watch = new StepWatch(listener);
            GeneratedImage image = null;
            for (int picture = 0; picture < pictures(request); picture++) {
                beforePicture.run();
                image = draw(pipeline, request, watch, patience);
                if (image == null) {
                    return null;
                }
            }
            AttentionBackend attention = new AttentionBackend(pipeline.attentionBackend());
            return image == null
                    ? null
                    : new CandidateRun(precision, attention, load, watch.fastestStep(), watch.longest(), image);
        }
    }

    /** Returns how long the next candidate may let us wait. */
    static Duration patience(List<CandidateRun> runs) {
        return runs.stream()
                .min(Comparator.comparing(CandidateRun::step))
                .map(best -> best.longest().plusSeconds(1).multipliedBy(PATIENCE))
                .orElse(Duration.ofDays(1));
    }

    byte[] rgb() {
        return image.rgb();
    }

    Measurement measurement(byte[] reference) {
        double decibels = Math.min(MOST_DECIBELS, Psnr.decibels(rgb(), reference));
        return new Measurement(precision, attention, load, step, image.timings().decode(), decibels);
    }

    private static int pictures(GenerationRequest request) {
        long tokens = (long) (request.width() / TOKEN_PIXELS) * (request.height() / TOKEN_PIXELS) * request.steps();
        long warm = (WARM_TOKENS + tokens - 1) / tokens;
        return (int) Math.min(MOST_PICTURES, Math.max(warm, request.steps() == 1 ? 2 : 1));
    }

    private static @Nullable GeneratedImage draw(
            ZImagePipeline pipeline, GenerationRequest request, StepWatch watch, Duration patience) {
        watch.start();
        CompletableFuture<List<GeneratedImage>> future = pipeline.generateAsync(request, watch);
        try {
            while (true) {
                try {
                    return future.get(POLL_MILLIS, TimeUnit.MILLISECONDS).get(0);
                } catch (TimeoutException e) {
                    if (watch.waited().compareTo(patience) > 0) {
                        future.cancel(true);
                        return null;
                    }
                }
            }
        } catch (InterruptedException e) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException("the tuning was interrupted", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
    }
}
