package io.github.zimage.internal.hub;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.hub.HubException;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Brings several files at a time. The first that fails ends the others; no thread is left behind. */
final class Downloads {
    private Downloads() {}

    /**
     * Brings all of them.
     *
     * @param watch what their connections are watched by
     * @throws HubException of the first that fails
     * @throws GenerationCancelledException if the calling thread is interrupted; it stays that
     */
    static void run(List<FileDownload> downloads, int parallel, StallWatch watch) {
        AtomicInteger number = new AtomicInteger();
        ExecutorService threads = Executors.newFixedThreadPool(parallel, task -> {
            Thread thread = new Thread(task, "zimage-pull-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
        CompletionService<Void> results = new ExecutorCompletionService<>(threads);
        boolean done = false;
        try {
            for (FileDownload download : downloads) {
                results.submit(() -> {
                    download.run();
                    return null;
                });
            }
            for (int i = 0; i < downloads.size(); i++) {
                results.take().get();
            }
            done = true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException(
                    "the download was interrupted; pull again and it goes on where it ended", e);
        } catch (ExecutionException e) {
            throw failure(e.getCause());
        } finally {
            if (!done) {
                watch.cancel();
            }
            end(threads);
        }
    }

    private static RuntimeException failure(@Nullable Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        return cause instanceof RuntimeException failure
                ? failure
                : new HubException("the download ended: " + cause, true, cause);
    }

    private static void end(ExecutorService threads) {
        threads.shutdownNow();
        boolean interrupted = Thread.interrupted();
        try {
            if (!threads.awaitTermination(10, TimeUnit.SECONDS)) {
                throw new IllegalStateException("a download does not end");
            }
        } catch (InterruptedException e) {
            interrupted = true;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
