package io.github.zimage.spring;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImageException;
import io.github.zimage.ZImagePipeline;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.DisposableBean;

/**
 * Generates images with the application's pipeline, which is loaded in the background. Safe for use by several threads.
 *
 * <p>A request that comes while the model is being loaded waits for it. Requests that end are told to meters and to the health of the
 * application; those that are given to the {@link #pipeline} itself are not.
 */
public final class ZImageTemplate implements DisposableBean {
    private static final Logger LOG = LoggerFactory.getLogger(ZImageTemplate.class);

    private final PipelineBuilder builder;
    private final ImageSize size;
    private final int steps;
    private final Duration closeTimeout;
    private final RequestObserver observer;
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicInteger running = new AtomicInteger();
    private @Nullable CompletableFuture<ZImagePipeline> loading;
    private boolean closed;

    ZImageTemplate(PipelineBuilder builder, ZImageProperties properties, RequestObserver observer) {
        this.builder = builder;
        this.size = ImageSize.of(properties.getSize());
        this.steps = properties.getSteps();
        this.closeTimeout = properties.getCloseTimeout();
        this.observer = observer;
    }

    /** Returns a request of the default size and steps of the application, to be changed and built. */
    public GenerationRequest.Builder request(String prompt) {
        return GenerationRequest.builder().prompt(prompt).size(size).steps(steps);
    }

    /**
     * Generates an image of the default size and steps.
     *
     * @throws io.github.zimage.InvalidRequestException if the prompt is blank or too long for the model
     * @throws ZImageException if the model could not be loaded, or generating fails
     */
    public GeneratedImage generate(String prompt) {
        return generate(request(prompt).build());
    }

    /** Generates the first image of a request; as {@link #generateAll}. */
    public GeneratedImage generate(GenerationRequest request) {
        return generateAll(request).get(0);
    }

    /**
     * Generates all images of a request. Blocks meanwhile.
     *
     * @throws io.github.zimage.InvalidRequestException if the model cannot draw the request
     * @throws ZImageException if the model could not be loaded, or generating fails
     */
    public List<GeneratedImage> generateAll(GenerationRequest request) {
        return generateAll(request, new GenerationListener() {});
    }

    /** As {@link #generateAll(GenerationRequest)}, with a listener that hears of steps and previews. */
    public List<GeneratedImage> generateAll(GenerationRequest request, GenerationListener listener) {
        ZImagePipeline pipeline = pipeline();
        ObservedListener observed = new ObservedListener(listener, observer, waiting, running);
        try {
            List<GeneratedImage> images = pipeline.generateAll(request, observed);
            observed.succeeded(images.size());
            return images;
        } catch (RuntimeException e) {
            observed.failed(e);
            throw e;
        } finally {
            observed.ended();
        }
    }

    /**
     * Returns the pipeline, which this object closes. Waits while it is being loaded.
     *
     * @throws ZImageException if it could not be loaded
     * @throws IllegalStateException if the application has been closed
     */
    public ZImagePipeline pipeline() {
        try {
            return load().join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new ZImageException("the model could not be loaded", e.getCause());
        }
    }

    /** Returns whether the pipeline is loaded. */
    public boolean isReady() {
        return loaded().isPresent();
    }

    /** Begins to load the pipeline, unless it was begun, and runs something once it is loaded. */
    void load(Runnable whenLoaded) {
        var unused = load().thenRun(whenLoaded);
    }

    private synchronized CompletableFuture<ZImagePipeline> load() {
        if (closed) {
            throw new IllegalStateException("the application has been closed");
        }
        CompletableFuture<ZImagePipeline> begun = loading;
        if (begun == null) {
            begun = new CompletableFuture<>();
            loading = begun;
            CompletableFuture<ZImagePipeline> result = begun;
            Thread thread = new Thread(() -> build(result), "zimage-load");
            thread.setDaemon(true);
            thread.start();
        }
        return begun;
    }

    private void build(CompletableFuture<ZImagePipeline> result) {
        long start = System.nanoTime();
        try {
            ZImagePipeline pipeline = builder.build();
            LOG.info("model loaded in {} ms", (System.nanoTime() - start) / 1_000_000);
            if (!result.complete(pipeline)) {
                pipeline.close();
            }
        } catch (RuntimeException | Error e) {
            LOG.error("the model could not be loaded: {}", e.getMessage());
            result.completeExceptionally(e);
        }
    }

    /** Returns the pipeline if it is loaded. */
    synchronized Optional<ZImagePipeline> loaded() {
        return loading == null || closed || !loading.isDone() || loading.isCompletedExceptionally()
                ? Optional.empty()
                : Optional.of(loading.join());
    }

    /** Returns why the pipeline could not be loaded, or nothing. */
    synchronized Optional<Throwable> failure() {
        if (loading == null || !loading.isCompletedExceptionally()) {
            return Optional.empty();
        }
        return Optional.of(loading.handle((pipeline, reason) -> reason).join());
    }

    int waiting() {
        return waiting.get();
    }

    int running() {
        return running.get();
    }

    /** Ends what runs and frees the model. A web server has finished its requests before. */
    @Override
    public void destroy() {
        CompletableFuture<ZImagePipeline> begun;
        synchronized (this) {
            begun = loading;
            closed = true;
        }
        if (begun == null) {
            return;
        }
        var closedBefore = new IllegalStateException("the application has been closed");
        boolean neverLoaded = begun.completeExceptionally(closedBefore) || begun.isCompletedExceptionally();
        if (!neverLoaded && !begun.join().close(closeTimeout)) {
            LOG.warn("the pipeline did not end within {}", closeTimeout);
        }
    }
}
