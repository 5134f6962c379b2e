package io.github.zimage.serve;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The backend in use, and how another takes its place. The queue's jobs wait meanwhile. */
final class PipelineSlot implements Watchdog.Target {
    private static final Logger LOG = LoggerFactory.getLogger(PipelineSlot.class);
    private static final Duration CLOSING = Duration.ofSeconds(10);
    private static final Duration OPENING = Duration.ofMinutes(30);

    private final Supplier<ImageBackend> opener;
    private final JobQueue queue;
    private final StallDetector stalls;
    private final Readiness readiness;
    private final Consumer<Watchdog.Remedy> onRemedy;
    private final Consumer<String> giveUp;
    private @Nullable ImageBackend backend;
    private boolean closed;

    /**
     * Opens nothing yet.
     *
     * @param opener makes a backend
     * @param onRemedy hears what was done
     * @param giveUp ends the process
     */
    PipelineSlot(
            Supplier<ImageBackend> opener,
            JobQueue queue,
            StallDetector stalls,
            Readiness readiness,
            Consumer<Watchdog.Remedy> onRemedy,
            Consumer<String> giveUp) {
        this.opener = opener;
        this.queue = queue;
        this.stalls = stalls;
        this.readiness = readiness;
        this.onRemedy = onRemedy;
        this.giveUp = giveUp;
    }

    /** Opens a backend and gives it to the queue. Blocks. */
    void open() {
        ImageBackend opened = opener.get();
        try {
            opened.warmUp(stalls::learn);
        } catch (RuntimeException | Error e) {
            opened.close();
            throw e;
        }
        synchronized (this) {
            if (!closed) {
                backend = opened;
                readiness.attach(opened);
                queue.attach(opened);
                return;
            }
        }
        opened.close();
    }

    @Override
    public Optional<StallDetector.Stall> stall() {
        return stalls.stall();
    }

    @Override
    public Optional<String> failing() {
        return readiness.failing();
    }

    @Override
    public boolean apply(Watchdog.Remedy remedy, String why) {
        boolean done = switch (remedy) {
            case TRIM -> trim();
            case SHRINK -> shrink();
            case REBUILD -> rebuild();
            case GIVE_UP -> {
                giveUp.accept(why);
                yield true;
            }
        };
        if (done) {
            onRemedy.accept(remedy);
        }
        return done;
    }

    private boolean trim() {
        System.gc(); // gives back what the heap does not need, and lets native memory of lost objects go
        ImageBackend current = current();
        if (current == null) {
            return false;
        }
        current.trim();
        return true;
    }

    private boolean shrink() {
        ImageBackend current = current();
        return current != null && current.shrink();
    }

    private synchronized @Nullable ImageBackend current() {
        return backend;
    }

    private boolean rebuild() {
        ImageBackend old;
        synchronized (this) {
            if (closed) {
                return true;
            }
            old = backend;
            backend = null;
        }
        queue.detach();
        if (old != null) {
            close(old);
        }
        CompletableFuture<Void> opening = new CompletableFuture<>();
        daemon("zimage-open", () -> {
            try {
                open();
                opening.complete(null);
            } catch (RuntimeException | Error e) {
                opening.completeExceptionally(e);
            }
        });
        return isDone(opening, OPENING);
    }

    /** A backend whose thread hangs cannot be closed; it is left to itself, and its memory is lost until the process ends. */
    private static void close(ImageBackend old) {
        CompletableFuture<Void> closing = new CompletableFuture<>();
        daemon("zimage-close", () -> {
            old.close();
            closing.complete(null);
        });
        if (!isDone(closing, CLOSING)) {
            LOG.warn("The old pipeline does not end: it is left to itself");
        }
    }

    private static void daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static boolean isDone(CompletableFuture<Void> future, Duration atMost) {
        try {
            future.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            LOG.error("The pipeline could not be made anew: {}", JobFailure.reason(e.getCause()), e.getCause());
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Closes the backend, within a while. */
    void close() {
        ImageBackend last;
        synchronized (this) {
            closed = true;
            last = backend;
            backend = null;
        }
        if (last != null) {
            close(last);
        }
    }
}
