package io.github.zimage.examples.serve;

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

/** The painter in use, and how another takes its place. The queue's jobs wait meanwhile. */
final class Studio implements Watchdog.Patient {
    private static final Logger LOG = LoggerFactory.getLogger(Studio.class);
    private static final Duration CLOSING = Duration.ofSeconds(10);
    private static final Duration OPENING = Duration.ofMinutes(30);

    private final Supplier<Painter> opener;
    private final JobQueue queue;
    private final Pace pace;
    private final Consumer<Watchdog.Cure> cured;
    private final Consumer<String> giveUp;
    private @Nullable Painter painter;
    private boolean closed;

    /**
     * Opens nothing yet.
     *
     * @param opener makes a painter
     * @param cured hears what was done
     * @param giveUp ends the process
     */
    Studio(
            Supplier<Painter> opener,
            JobQueue queue,
            Pace pace,
            Consumer<Watchdog.Cure> cured,
            Consumer<String> giveUp) {
        this.opener = opener;
        this.queue = queue;
        this.pace = pace;
        this.cured = cured;
        this.giveUp = giveUp;
    }

    /** Opens a painter and gives it to the queue. Blocks. */
    void open() {
        Painter opened = opener.get();
        try {
            opened.warmUp(pace::learn);
        } catch (RuntimeException | Error e) {
            opened.close();
            throw e;
        }
        synchronized (this) {
            if (!closed) {
                painter = opened;
                queue.attach(opened);
                return;
            }
        }
        opened.close();
    }

    @Override
    public Optional<Pace.Silence> overdue() {
        return pace.overdue();
    }

    @Override
    public boolean take(Watchdog.Cure cure, String why) {
        boolean done = switch (cure) {
            case TRIM -> trim();
            case SHRINK -> shrink();
            case REBUILD -> rebuild();
            case GIVE_UP -> {
                giveUp.accept(why);
                yield true;
            }
        };
        if (done) {
            cured.accept(cure);
        }
        return done;
    }

    private boolean trim() {
        System.gc(); // gives back what the heap does not need, and lets native memory of lost objects go
        Painter current = current();
        if (current == null) {
            return false;
        }
        current.trim();
        return true;
    }

    private boolean shrink() {
        Painter current = current();
        return current != null && current.shrink();
    }

    private synchronized @Nullable Painter current() {
        return painter;
    }

    private boolean rebuild() {
        Painter old;
        synchronized (this) {
            if (closed) {
                return true;
            }
            old = painter;
            painter = null;
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

    /** A painter whose thread hangs cannot be closed; it is left to itself, and its memory is lost until the process ends. */
    private static void close(Painter old) {
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
            LOG.error("The pipeline could not be made anew", e.getCause());
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /** Closes the painter, within a while. */
    void close() {
        Painter last;
        synchronized (this) {
            closed = true;
            last = painter;
            painter = null;
        }
        if (last != null) {
            close(last);
        }
    }
}
