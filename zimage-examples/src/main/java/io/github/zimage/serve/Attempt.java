package io.github.zimage.serve;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;

/**
 * One attempt at a job, from handing it over to a backend until the backend is done with it. Hears on the thread that computes how it
 * gets on. What an attempt that was given up still says is not heard. Changes nothing without its queue's lock.
 */
final class Attempt implements GenerationListener {
    private static final int PREVIEW_PIXELS = 256;

    private final JobQueue queue;
    private final Job job;
    private final StallDetector.Heartbeat heartbeat;
    private final ScheduledExecutorService worker;
    private final Duration timeout;
    private final AtomicBoolean encoding = new AtomicBoolean();
    private @Nullable CompletableFuture<List<EncodedImage>> generation;
    private @Nullable Future<?> timer;
    private boolean leftDevice;

    /**
     * Prepares an attempt.
     *
     * @param worker for what takes time, and for the time-out
     * @param timeout how long a device may be at it
     */
    Attempt(
            JobQueue queue,
            Job job,
            StallDetector.Heartbeat heartbeat,
            ScheduledExecutorService worker,
            Duration timeout) {
        this.queue = queue;
        this.job = job;
        this.heartbeat = heartbeat;
        this.worker = worker;
        this.timeout = timeout;
    }

    /** Hands the request over. */
    @SuppressWarnings("FutureReturnValueIgnored") // what depends on it throws nothing
    void start(ImageBackend backend) {
        CompletableFuture<List<EncodedImage>> started;
        try {
            started = backend.generate(job.request(), this);
        } catch (RuntimeException e) {
            started = CompletableFuture.failedFuture(e);
        }
        generation = started;
        // On another thread: it must not hold up the device, nor start the next one within this one's start.
        started.whenCompleteAsync(this::complete, worker);
    }

    private boolean isCurrent() {
        return job.attempt() == this;
    }

    /** Notes that the device has gone on to others; returns false if that was known. */
    boolean leaveDevice() {
        boolean first = !leftDevice;
        leftDevice = true;
        return first;
    }

    /** Gives up what is still going on. */
    void release() {
        if (timer != null) {
            timer.cancel(false);
        }
        if (generation != null) {
            generation.cancel(true);
        }
        heartbeat.abandon();
    }

    private void complete(@Nullable List<EncodedImage> pictures, @Nullable Throwable failure) {
        synchronized (queue) {
            if (!isCurrent()) {
                return;
            }
            heartbeat.end();
            if (pictures != null) {
                queue.succeed(job, pictures);
            } else {
                queue.handle(job, JobFailure.of(failure), failure);
            }
        }
    }

    private void timeOut() {
        synchronized (queue) {
            if (isCurrent()) {
                String message =
                        "it was not done after %d s, the most that this server spends on a request: ask for fewer"
                                + " or smaller pictures, or fewer steps";
                queue.fail(job, new ApiException(504, "timeout", message.formatted(timeout.toSeconds())));
            }
        }
    }

    @Override
    public void onStart() {
        heartbeat.begin();
        synchronized (queue) {
            if (isCurrent()) {
                timer = worker.schedule(this::timeOut, timeout.toNanos(), TimeUnit.NANOSECONDS);
                queue.markStarted(job);
            }
        }
    }

    @Override
    public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
        heartbeat.beat();
        queue.recordRelief();
    }

    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        heartbeat.beat();
    }

    @Override
    public void onEncode(Duration elapsed) {
        heartbeat.beat();
    }

    @Override
    public int previewSize(int step) {
        return step < job.request().steps() && job.wantsPreview(step) ? PREVIEW_PIXELS : 0;
    }

    @Override
    public void onPreview(int step, int index, BufferedImage preview) {
        if (index != 1 || encoding.getAndSet(true)) {
            return;
        }
        worker.execute(() -> {
            byte[] png = png(preview);
            encoding.set(false);
            synchronized (queue) {
                if (isCurrent()) {
                    job.recordPreview(step, png);
                }
            }
        });
    }

    @Override
    public void onStep(int step, int steps, Duration elapsed) {
        heartbeat.progress();
        synchronized (queue) {
            queue.recordStep(elapsed);
            if (isCurrent()) {
                job.recordStep(step);
            }
        }
    }

    @Override
    public void onDecode(int index, int count, Duration elapsed) {
        heartbeat.progress();
    }

    @Override
    public void onDone(List<GeneratedImage> images) {
        heartbeat.end();
        synchronized (queue) {
            if (isCurrent()) {
                queue.leaveDevice(job);
            }
        }
    }

    private static byte[] png(BufferedImage image) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            ImageIO.write(image, "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }
}
