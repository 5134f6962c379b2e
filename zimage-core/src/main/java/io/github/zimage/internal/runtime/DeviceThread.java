package io.github.zimage.internal.runtime;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ZImageException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.bytedeco.pytorch.InferenceMode;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that calls LibTorch for a device. LibTorch's guards and JavaCPP's scopes belong to a thread, and each thread that
 * calls LibTorch would get a pool of worker threads of its own.
 */
public final class DeviceThread {
    /** How many tasks may wait. */
    public static final int QUEUE_CAPACITY = 1024;

    private final ThreadPoolExecutor executor;
    private final Thread thread;
    private volatile Runnable last = () -> {};

    /** Starts the thread. */
    public DeviceThread(String name) {
        BlockingQueue<Runnable> queue = new LinkedBlockingQueue<>(QUEUE_CAPACITY);
        AtomicReference<Runnable> worker = new AtomicReference<>();
        thread = new Thread(() -> runGuarded(Objects.requireNonNull(worker.get())), name);
        thread.setDaemon(true);
        executor = new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, queue, task -> {
            worker.set(task);
            return thread;
        });
        executor.prestartAllCoreThreads();
    }

    private void runGuarded(Runnable worker) {
        NativeRuntime.load();
        try (InferenceMode guard = new InferenceMode()) {
            worker.run();
            last.run();
        }
    }

    /**
     * Queues a task.
     *
     * @return a future that completes with the task's result, or with its exception translated by {@link NativeErrors}
     * @throws IllegalStateException if the thread is closed or too many tasks wait
     */
    public <T> CompletableFuture<T> submit(Supplier<T> task) {
        CompletableFuture<T> future = new CompletableFuture<>();
        execute(future, task);
        return future;
    }

    /** As {@link #submit}, for a future that the caller made. If that is done or cancelled while the task waits, it leaves the queue. */
    @SuppressWarnings("FutureReturnValueIgnored") // it only removes
    public <T> void execute(CompletableFuture<T> future, Supplier<T> task) {
        Runnable queued = () -> run(task, future);
        try {
            executor.execute(queued);
            future.whenComplete((result, failure) -> {
                if (failure != null) {
                    executor.remove(queued);
                }
            });
        } catch (RejectedExecutionException e) {
            throw new IllegalStateException(
                    executor.isShutdown()
                            ? "pipeline is closed"
                            : "too many generations wait: at most %d may".formatted(QUEUE_CAPACITY),
                    e);
        }
    }

    /** Waits for a future, and throws what it fails with. An interruption cancels it. */
    public static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException("the waiting thread was interrupted", e);
        } catch (CancellationException e) {
            throw new GenerationCancelledException("the generation was cancelled", e);
        } catch (ExecutionException | CompletionException e) {
            throw unwrap(e.getCause());
        }
    }

    private static RuntimeException unwrap(@Nullable Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof RuntimeException exception) {
            return exception;
        }
        return new ZImageException("generation failed", cause);
    }

    /** Tells whether the caller runs on this thread, where waiting for another task would never end. */
    public boolean isCurrent() {
        return Thread.currentThread() == thread;
    }

    private static <T> void run(Supplier<T> task, CompletableFuture<T> future) {
        if (future.isDone()) {
            return;
        }
        SpinGovernor governor = NativeRuntime.governor();
        if (governor != null) {
            governor.begin();
        }
        try {
            future.complete(task.get());
        } catch (RuntimeException e) {
            future.completeExceptionally(NativeErrors.translate(e));
        } catch (Error e) {
            future.completeExceptionally(e);
        } finally {
            if (governor != null) {
                governor.end();
            }
        }
    }

    /**
     * Waits for the tasks that were queued, runs a last one, and ends the thread.
     *
     * @param last frees what the thread's tasks used
     */
    public void close(Runnable last) {
        end(last);
        boolean interrupted = false;
        while (thread.isAlive() && !isCurrent()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** As {@link #close}, but waits for nothing: the thread ends by itself. */
    public void end(Runnable freeing) {
        last = freeing;
        executor.shutdown();
    }

    /** Waits until the thread has ended, and returns whether it has; at once if called on it. */
    public boolean awaitEnd(Duration limit) throws InterruptedException {
        if (!isCurrent()) {
            thread.join(Math.max(1, limit.toMillis()));
        }
        return !thread.isAlive();
    }
}
