package io.github.zimage.internal.pipeline;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.conversion.ConvertedCheck;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.TokenIds;
import io.github.zimage.internal.generation.Order;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.text.PromptTokens;
import io.github.zimage.placement.MemoryPlan;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;

/** The devices of a pipeline: which one takes what, and what of it is still wanted. Thread-safe. */
public final class Workers implements AutoCloseable {
    private static final Duration LONGEST = Duration.ofDays(1000);

    /** One for each device. */
    private final List<Worker> workers;

    private final PromptTokens tokens;
    private final ConvertedCheck check;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * Takes over workers that are loaded.
     *
     * @param tokens is closed with this
     * @param check looks after the weights, and is closed with this
     */
    Workers(List<Worker> workers, PromptTokens tokens, ConvertedCheck check) {
        this.workers = List.copyOf(workers);
        this.tokens = tokens;
        this.check = check;
    }

    /** Queues an order, whole on one device or in parts on those that have nothing to do. */
    public CompletableFuture<List<GeneratedImage>> draw(Order order, GenerationListener listener) {
        List<Worker> free = idle();
        if (free.size() > 1 && order.request().totalCount() > 1) {
            return split(RequestSplit.of(order, free.size(), listener), free, listener);
        }
        Worker worker = free.get(0);
        return submit(worker, cancellation -> {
            List<GeneratedImage> images = worker.draw(order, listener, cancellation);
            listener.onDone(images);
            return images;
        });
    }

    /** Returns the devices that have nothing to do, or else the one that has the least to do. */
    private List<Worker> idle() {
        List<Worker> idle =
                workers.stream().filter(worker -> worker.waiting() == 0).toList();
        return idle.isEmpty()
                ? List.of(workers.stream()
                        .min(Comparator.comparingInt(Worker::waiting))
                        .orElseThrow())
                : idle;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // all ends in the result
    private CompletableFuture<List<GeneratedImage>> split(
            RequestSplit order, List<Worker> free, GenerationListener listener) {
        CompletableFuture<List<GeneratedImage>> result = new CompletableFuture<>();
        List<CompletableFuture<List<GeneratedImage>>> parts = new ArrayList<>();
        for (int i = 0; i < order.parts().size(); i++) {
            parts.add(part(result, order.parts().get(i), free.get(i), order.listener(i)));
        }
        result.whenComplete((images, failure) -> {
            if (failure != null) {
                parts.forEach(part -> part.cancel(false));
            }
        });
        CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new)).thenRun(() -> {
            try {
                List<GeneratedImage> images =
                        parts.stream().flatMap(part -> part.join().stream()).toList();
                listener.onDone(images);
                result.complete(images);
            } catch (RuntimeException | Error e) {
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    /** Queues one part of an order. The first failure ends the other parts. */
    @SuppressWarnings("FutureReturnValueIgnored") // all ends in the result
    private CompletableFuture<List<GeneratedImage>> part(
            CompletableFuture<List<GeneratedImage>> result, Order part, Worker worker, GenerationListener listener) {
        Runnable cancellation = cancellation(result);
        CompletableFuture<List<GeneratedImage>> future = new CompletableFuture<>();
        future.exceptionally(failure -> {
            result.completeExceptionally(failure);
            return List.of();
        });
        try {
            worker.execute(future, () -> {
                cancellation.run();
                return worker.draw(part, listener, cancellation);
            });
        } catch (RuntimeException e) {
            result.completeExceptionally(e);
            throw e;
        }
        return future;
    }

    /** Draws an order on each device. Blocks until that is done. */
    public void warmUp(Order order) {
        List<CompletableFuture<?>> drawn = new ArrayList<>();
        for (Worker worker : workers) {
            drawn.add(submit(worker, cancellation -> worker.draw(order, new GenerationListener() {}, cancellation)));
        }
        drawn.forEach(DeviceThread::await);
    }

    /** Turns a prompt into embeddings. Blocks until that is done. */
    public PromptEmbeddings encode(TokenIds prompt) {
        Worker worker = idle().get(0);
        return DeviceThread.await(submit(
                worker,
                cancellation -> Session.encode(
                        worker.engine(), prompt, cancellation, worker.relief().whileEncoding())));
    }

    /** Frees what is kept only to be used again. Blocks until that is done. */
    public void trim() {
        tokens.forget();
        for (Worker worker : workers) {
            DeviceThread.await(submit(worker, cancellation -> {
                worker.engine().forget();
                return Pointer.trimMemory();
            }));
        }
    }

    /**
     * Goes on with the next smaller plan on each device. Blocks until that is done.
     *
     * @return whether there was one for any
     */
    public boolean shrink() {
        boolean shrunk = false;
        for (Worker worker : workers) {
            shrunk |= DeviceThread.await(submit(worker, cancellation -> {
                Optional<EngineOptions> smaller =
                        worker.relief().smaller(worker.engine().options());
                smaller.ifPresent(worker.engine()::shrink);
                return smaller.isPresent();
            }));
        }
        return shrunk;
    }

    /** Refuses a request that does not fit into the memory budget, if one was set. */
    public void checkMemory(GenerationRequest request) {
        first().plan().check(request);
    }

    /** Returns the plan of the first device. */
    public MemoryPlan plan() {
        return first().plan().plan();
    }

    /** Returns what a request would need on the first device. */
    public MemoryPlan plan(GenerationRequest request) {
        return first().plan().plan(request);
    }

    /** Returns what the latest generation had in memory, on the device where it was most. */
    public Optional<MemoryPlan.Peaks> measuredPeaks() {
        return workers.stream()
                .map(worker -> worker.watch().measured())
                .flatMap(Optional::stream)
                .max(Comparator.comparingLong(MemoryPlan.Peaks::highest));
    }

    /** Returns the name of the attention backend that is in use. */
    public String attentionBackend() {
        return first().engine().attentionName();
    }

    /** Returns whether the transformer's work is recorded and replayed. */
    public boolean isCompiled() {
        return first().engine().isCompiled();
    }

    private Worker first() {
        return workers.get(0);
    }

    /** Runs a task on a device, giving it a check that throws once its future is cancelled or the pipeline closed. */
    private <T> CompletableFuture<T> submit(Worker worker, Function<Runnable, T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Runnable cancellation = cancellation(result);
        worker.execute(result, () -> {
            cancellation.run();
            return task.apply(cancellation);
        });
        return result;
    }

    private Runnable cancellation(CompletableFuture<?> result) {
        return () -> {
            if (result.isDone()) {
                throw new GenerationCancelledException("the generation was cancelled");
            }
            if (closed.get()) {
                throw new GenerationCancelledException("the pipeline was closed");
            }
            check.requireSound();
        };
    }

    /**
     * Refuses to go on if the pipeline is closed.
     *
     * @throws IllegalStateException if it is
     */
    public void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException("pipeline is closed");
        }
    }

    /**
     * Refuses to go on where the caller would wait for itself.
     *
     * @throws IllegalStateException if called by a listener
     */
    public void requireOtherThread() {
        if (workers.stream().anyMatch(Worker::isCurrent)) {
            throw new IllegalStateException(
                    "the pipeline's own thread, on which listeners run, must not wait for itself");
        }
    }

    /** Ends what runs and waits, and frees the weights. Blocks until that is done. Further calls do nothing. */
    @Override
    public void close() {
        if (end()) {
            workers.forEach(Worker::close);
        }
    }

    /**
     * As {@link #close}, but waits no longer than a limit, also if it is called again.
     *
     * @return whether all weights are freed
     */
    public boolean close(Duration limit) {
        end();
        long deadline = System.nanoTime() + (limit.compareTo(LONGEST) < 0 ? limit : LONGEST).toNanos();
        boolean ended = true;
        try {
            for (Worker worker : workers) {
                ended &= worker.awaitEnd(Duration.ofNanos(deadline - System.nanoTime()));
            }
            return ended;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Has all devices end what they do, once. */
    private boolean end() {
        boolean first = closed.compareAndSet(false, true);
        if (first) {
            workers.forEach(Worker::end);
            tokens.close();
            check.close();
        }
        return first;
    }
}
