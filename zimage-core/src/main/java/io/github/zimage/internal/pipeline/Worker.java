package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.LoadedModel;
import io.github.zimage.internal.events.GenerationEvent;
import io.github.zimage.internal.generation.DrawnImage;
import io.github.zimage.internal.generation.Generation;
import io.github.zimage.internal.generation.Order;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.weights.Checkpoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The model on one device, and the thread that computes there. */
final class Worker {
    private final Checkpoint checkpoint;
    private final EngineOptions options;
    private final PlanKeeper plan;
    private final MemoryRelief relief;
    private final MemoryWatch watch;
    private final ImageMaker images;
    private final DeviceThread thread;
    private final CompletableFuture<LoadedModel> loading = new CompletableFuture<>();
    /** Also there if the loading was cancelled too late. */
    private volatile @Nullable LoadedModel loaded;

    private final AtomicInteger waiting = new AtomicInteger();

    /**
     * Begins to load the model.
     *
     * @param images makes what users get
     * @param first runs on the worker's thread before anything else
     */
    Worker(
            Checkpoint checkpoint,
            EngineOptions options,
            PlanKeeper plan,
            ImageMaker images,
            GenerationListener listener,
            Runnable first) {
        this.checkpoint = checkpoint;
        this.options = options;
        this.plan = plan;
        relief = new MemoryRelief(plan);
        watch = new MemoryWatch(plan);
        this.images = images;
        thread = new DeviceThread(
                "zimage-" + options.hardware().device().toString().replace(':', '-'));
        GenerationListener untilCancelled = new ForwardingListener(listener) {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                if (loading.isDone()) {
                    throw new GenerationCancelledException("the loading was interrupted");
                }
                super.onLoad(component, bytesDone, bytesTotal);
            }
        };
        thread.execute(loading, () -> {
            first.run();
            LoadedModel engine = new LoadedModel(checkpoint, options, untilCancelled, relief.whileLoading(listener));
            loaded = engine;
            return engine;
        });
    }

    /** Returns what completes when the model is loaded. Cancelling it ends the loading. */
    CompletableFuture<LoadedModel> loading() {
        return loading;
    }

    /** Returns the engine, once it is loaded. */
    LoadedModel engine() {
        return loading.join();
    }

    EngineOptions options() {
        return options;
    }

    PlanKeeper plan() {
        return plan;
    }

    MemoryRelief relief() {
        return relief;
    }

    MemoryWatch watch() {
        return watch;
    }

    /** Returns how many tasks it has that are not done. */
    int waiting() {
        return waiting.get();
    }

    boolean isCurrent() {
        return thread.isCurrent();
    }

    /** Queues a task. */
    @SuppressWarnings("FutureReturnValueIgnored") // it only counts
    <T> void execute(CompletableFuture<T> future, Supplier<T> task) {
        waiting.incrementAndGet();
        try {
            thread.execute(future, task);
        } catch (RuntimeException e) {
            waiting.decrementAndGet();
            throw e;
        }
        future.whenComplete((result, failure) -> waiting.decrementAndGet());
    }

    /** Draws the pictures of an order, on the worker's thread. */
    List<GeneratedImage> draw(Order order, GenerationListener listener, Runnable cancellation) {
        GenerationRequest request = order.request();
        GenerationEvent event = new GenerationEvent();
        event.begin();
        String outcome = "failed";
        try {
            listener.onStart();
            List<GeneratedImage> drawn = watch.watch(
                    request,
                    listener,
                    watched -> described(
                            request,
                            Generation.run(
                                    engine(), order, watched, cancellation, relief.whileDrawing(request, listener))),
                    engine()::devicePeaks);
            outcome = "done";
            return drawn;
        } catch (GenerationCancelledException e) {
            outcome = "cancelled";
            throw e;
        } catch (OutOfDeviceMemoryException e) {
            outcome = "out of memory";
            throw e;
        } finally {
            record(event, request, outcome);
        }
    }

    private void record(GenerationEvent event, GenerationRequest request, String outcome) {
        event.end();
        if (event.shouldCommit()) {
            event.device = options.hardware().device().toString();
            event.width = request.width();
            event.height = request.height();
            event.steps = request.steps();
            event.pictures = request.totalCount();
            event.guided = request.guidance() > 0 || request.nag().isOn();
            event.outcome = outcome;
            event.commit();
        }
    }

    private List<GeneratedImage> described(GenerationRequest request, List<DrawnImage> drawn) {
        List<GeneratedImage> described = new ArrayList<>();
        for (int i = 0; i < drawn.size(); i++) {
            DrawnImage image = drawn.get(i);
            ImageParameters parameters = new ImageParameters(
                    RequestSplit.picture(request, i),
                    checkpoint.name(),
                    options.precision(Component.TRANSFORMER),
                    options.precision(Component.VAE));
            described.add(images.make(image, parameters));
        }
        return List.copyOf(described);
    }

    /** Ends the thread once its tasks are done, and frees the model. */
    void close() {
        thread.close(this::free);
    }

    /** As {@link #close}, but waits for nothing. */
    void end() {
        thread.end(this::free);
    }

    /** Waits until the model is freed, and returns whether it is. */
    boolean awaitEnd(Duration limit) throws InterruptedException {
        return thread.awaitEnd(limit);
    }

    private void free() {
        LoadedModel engine = loaded;
        if (engine != null) {
            engine.close();
        }
    }
}
