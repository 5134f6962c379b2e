package io.github.zimage.serve;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.MemoryPlan;
import io.github.zimage.OutOfDeviceMemoryException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests on their way: some are being drawn, the others wait in order. Each that is admitted ends exactly once, with pictures or
 * with a reason. Thread-safe; watchers are called while the queue is locked, so they must not wait.
 */
final class JobQueue {
    private static final Logger LOG = LoggerFactory.getLogger(JobQueue.class);
    private static final int MAX_ATTEMPTS = 3;
    private static final int PREVIEW_PIXELS = 256;
    private static final Duration UNSEEN = Duration.ofSeconds(60);

    private final ServerOptions options;
    private final ScheduledExecutorService worker;
    private final LongSupplier nanoTime;
    private final QueueListener listener;
    private final StallDetector stalls;
    private final Deque<Job> waiting = new ArrayDeque<>();
    private final Set<Job> running = new LinkedHashSet<>();
    private @Nullable ImageBackend backend;
    private boolean admits;
    private boolean starts = true;
    private double meanSeconds = 1;

    /**
     * Creates a queue that admits nothing before it has a backend.
     *
     * @param worker for what takes time, and for time-outs
     * @param nanoTime the clock
     * @param listener hears what the whole queue does
     */
    JobQueue(
            ServerOptions options,
            ScheduledExecutorService worker,
            LongSupplier nanoTime,
            StallDetector stalls,
            QueueListener listener) {
        this.options = options;
        this.worker = worker;
        this.nanoTime = nanoTime;
        this.stalls = stalls;
        this.listener = listener;
    }

    /** Hears what becomes of jobs. Called while the queue is locked. */
    interface QueueListener {
        /** A step was done. */
        void onStep(Duration elapsed);

        /** A job has ended, in whichever way. */
        void onEnd(Job job, Duration waited, Duration drawn);

        /** A job is drawn again; the failure says why. */
        void onRetry(Job job, String why);

        /** Memory ran out, and the pipeline tries again with less. */
        void onRelief();

        /** Memory ran out, and the pipeline could not help itself. */
        void onOutOfMemory();
    }

    /**
     * Admits a request.
     *
     * @param previewsAt whether there shall be a preview of a step
     * @throws ApiException if the queue is full or the server does not take requests
     * @throws IllegalArgumentException if the request does not suit the model
     */
    Job submit(GenerationRequest request, IntPredicate previewsAt, Consumer<Job.Event> watcher) {
        ImageBackend checker;
        synchronized (this) {
            requireRoom();
            checker = backend;
        }
        if (checker != null) {
            try {
                checker.check(request); // counts tokens: not under the lock
            } catch (IllegalStateException e) {
                LOG.debug("the backend was closed meanwhile; the next one will check", e);
            }
        }
        synchronized (this) {
            requireRoom();
            Job job = new Job(request, previewsAt, nanoTime.getAsLong());
            job.watch(watcher);
            waiting.add(job);
            LOG.info(
                    "job={} state={} size={}x{} steps={} count={} running={} waiting={}",
                    job.id(),
                    job.state(),
                    request.width(),
                    request.height(),
                    request.steps(),
                    request.count(),
                    running.size(),
                    waiting.size());
            startNext();
            return job;
        }
    }

    private void requireRoom() {
        if (!admits) {
            throw ApiException.retryable(
                    503, "not_ready", "the server does not take requests now: it is starting or ending", 5);
        }
        int free = options.concurrency() - running.size();
        if (waiting.size() >= options.queue() + Math.max(0, free)) {
            throw ApiException.retryable(
                    429,
                    "queue_full",
                    "%d requests are being drawn and %d wait, which is all there is room for: try again later"
                            .formatted(running.size(), waiting.size()),
                    retryAfterSeconds());
        }
    }

    /** Returns after how many seconds a place will probably be free. */
    private long retryAfterSeconds() {
        return Math.max(1, Math.min(600, (long) Math.ceil(meanSeconds)));
    }

    /** Returns how many wait. */
    synchronized int depth() {
        return waiting.size();
    }

    /** Returns how many are being drawn. */
    synchronized int active() {
        return running.size();
    }

    /** Returns whether requests are taken and drawn. */
    synchronized boolean isReady() {
        return admits && backend != null;
    }

    /** Returns how many bytes the latest request had in memory at most; 0 if nobody tells. */
    long peakBytes() {
        ImageBackend asked;
        synchronized (this) {
            asked = backend;
        }
        return asked == null ? 0 : asked.peakBytes();
    }

    /** Watches a job, if it has not ended. */
    synchronized void watch(Job job, Consumer<Job.Event> watcher) {
        if (job.state().isFinal()) {
            watcher.accept(Job.Event.END);
        } else {
            job.watch(watcher);
        }
    }

    /** Ends a watch. */
    synchronized void unwatch(Job job, Consumer<Job.Event> watcher) {
        job.unwatch(watcher);
        job.touch(nanoTime.getAsLong());
    }

    /** Notes that a client asked after a job. */
    synchronized void touch(Job job) {
        job.touch(nanoTime.getAsLong());
    }

    /** Ends a job, within a step if it is being drawn. Does nothing to one that has ended. */
    synchronized void cancel(Job job, String why) {
        end(job, Job.State.CANCELLED, new ApiException(409, "cancelled", why));
    }

    /** Ends all jobs that nobody has watched or asked after for a minute. */
    synchronized void cancelAbandoned() {
        long now = nanoTime.getAsLong();
        for (Job job : all()) {
            if (!job.isWatched() && now - job.seenAt() > UNSEEN.toNanos()) {
                cancel(job, "the client went away: nobody asked after the job for %d s".formatted(UNSEEN.toSeconds()));
            }
        }
    }

    private List<Job> all() {
        List<Job> all = new ArrayList<>(running);
        all.addAll(waiting);
        return all;
    }

    /** Begins to draw, or goes on, with a backend. */
    synchronized void attach(ImageBackend next) {
        backend = next;
        admits = true;
        startNext();
    }

    /** Takes back what is being drawn, which will be drawn from the start by the next backend. Requests are admitted meanwhile. */
    synchronized void detach() {
        backend = null;
        List<Job> interrupted = new ArrayList<>(running);
        Collections.reverse(interrupted);
        for (Job job : interrupted) {
            requeue(job, "the pipeline is made anew");
        }
        stalls.clear();
        updatePlaces();
    }

    private void requeue(Job job, String why) {
        running.remove(job);
        if (job.attempt() >= MAX_ATTEMPTS) {
            end(
                    job,
                    Job.State.FAILED,
                    new ApiException(
                            500, "failed", "it was begun %d times and could not be finished".formatted(MAX_ATTEMPTS)));
            return;
        }
        job.requeue();
        waiting.addFirst(job);
        listener.onRetry(job, why);
    }

    /** Admits nothing more, and ends what waits. What is being drawn goes on. */
    synchronized void drain() {
        admits = false;
        starts = false;
        endAll(new ArrayList<>(waiting));
    }

    /** Ends everything. */
    synchronized void endAll() {
        drain();
        endAll(new ArrayList<>(running));
    }

    private void endAll(List<Job> jobs) {
        for (Job job : jobs) {
            end(
                    job,
                    Job.State.FAILED,
                    ApiException.retryable(503, "shutting_down", "the server is ending: send the request again", 5));
        }
    }

    private void startNext() {
        while (backend != null && starts && running.size() < options.concurrency() && !waiting.isEmpty()) {
            start(waiting.remove(), backend);
        }
        updatePlaces();
    }

    private void updatePlaces() {
        int place = 0;
        for (Job job : List.copyOf(waiting)) {
            job.setPlace(++place);
        }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // what depends on it throws nothing
    private void start(Job job, ImageBackend by) {
        running.add(job);
        StallDetector.Heartbeat heartbeat = stalls.dispatch(job.request());
        int attempt = job.dispatch(heartbeat);
        CompletableFuture<List<EncodedImage>> generation;
        try {
            generation = by.generate(job.request(), new JobListener(job, attempt, heartbeat));
        } catch (RuntimeException e) {
            generation = CompletableFuture.failedFuture(e);
        }
        job.attach(generation);
        // On another thread: it must not hold up the device, nor start the next one within this one's start.
        generation.whenCompleteAsync((pictures, failure) -> complete(job, attempt, pictures, failure), worker);
    }

    private synchronized void begin(Job job, int attempt) {
        if (isCurrent(job, attempt)) {
            job.markStarted(
                    nanoTime.getAsLong(),
                    worker.schedule(
                            () -> timeOut(job, attempt), options.timeout().toNanos(), TimeUnit.NANOSECONDS));
        }
    }

    private synchronized void timeOut(Job job, int attempt) {
        if (isCurrent(job, attempt)) {
            end(
                    job,
                    Job.State.FAILED,
                    new ApiException(
                            504,
                            "timeout",
                            "it was not done after %d s, the most that this server spends on a request: ask for fewer or"
                                            .formatted(options.timeout().toSeconds())
                                    + " smaller pictures, or fewer steps"));
        }
    }

    private boolean isCurrent(Job job, int attempt) {
        return job.state() == Job.State.RUNNING && job.attempt() == attempt;
    }

    private synchronized void complete(
            Job job, int attempt, @Nullable List<EncodedImage> pictures, @Nullable Throwable failure) {
        if (!isCurrent(job, attempt)) {
            return;
        }
        job.markFinished();
        if (pictures != null) {
            running.remove(job);
            job.succeed(pictures, nanoTime.getAsLong());
            recordEnd(job);
            return;
        }
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        if (cause instanceof OutOfDeviceMemoryException || cause instanceof OutOfMemoryError) {
            listener.onOutOfMemory();
            LOG.warn("Out of memory in job {}, attempt {}: {}", job.id(), attempt, cause.getMessage());
            retryOr(
                    job,
                    "out of memory",
                    attempt < 2,
                    new ApiException(503, "out_of_memory", String.valueOf(cause.getMessage())));
        } else if (cause instanceof IllegalArgumentException) {
            end(job, Job.State.FAILED, new ApiException(400, "invalid_value", String.valueOf(cause.getMessage())));
        } else if (cause instanceof GenerationCancelledException || cause instanceof IllegalStateException) {
            retryOr(job, String.valueOf(cause.getMessage()), true, null);
        } else {
            LOG.error("Job {} failed", job.id(), cause);
            end(
                    job,
                    Job.State.FAILED,
                    new ApiException(500, "failed", "it could not be drawn; the server's log says why"));
        }
    }

    private void retryOr(Job job, String why, boolean again, @Nullable ApiException otherwise) {
        if (again || otherwise == null) {
            requeue(job, why);
            startNext();
        } else {
            end(job, Job.State.FAILED, otherwise);
        }
    }

    private void end(Job job, Job.State state, ApiException why) {
        if (job.state().isFinal()) {
            return;
        }
        waiting.remove(job);
        running.remove(job);
        job.fail(state, why, nanoTime.getAsLong());
        recordEnd(job);
    }

    private void recordEnd(Job job) {
        long now = nanoTime.getAsLong();
        Duration drawn = Duration.ofNanos(job.drawnNanos(now));
        if (job.state() == Job.State.SUCCEEDED) {
            meanSeconds += 0.1 * (drawn.toNanos() / 1e9 - meanSeconds);
        }
        ApiException failure = job.failure();
        LOG.info(
                "job={} state={} code={} size={}x{} steps={} count={} attempt={} waited_ms={} drawn_ms={}",
                job.id(),
                job.state(),
                failure == null ? "-" : failure.code(),
                job.request().width(),
                job.request().height(),
                job.request().steps(),
                job.request().count(),
                job.attempt(),
                job.waitedNanos(now) / 1_000_000,
                drawn.toMillis());
        listener.onEnd(job, Duration.ofNanos(job.waitedNanos(now)), drawn);
        startNext();
        notifyAll();
    }

    /** Waits until nothing is being drawn, but not longer than a time; returns whether that is so. */
    synchronized boolean awaitIdle(Duration atMost) throws InterruptedException {
        long end = System.nanoTime() + atMost.toNanos();
        while (!running.isEmpty()) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    /** Hears how a job gets on, on the thread that computes. */
    private final class JobListener implements GenerationListener {
        private final Job job;
        private final int attempt;
        private final StallDetector.Heartbeat heartbeat;
        private final AtomicBoolean encoding = new AtomicBoolean();

        JobListener(Job job, int attempt, StallDetector.Heartbeat heartbeat) {
            this.job = job;
            this.attempt = attempt;
            this.heartbeat = heartbeat;
        }

        @Override
        public void onStart() {
            heartbeat.begin();
            begin(job, attempt);
        }

        @Override
        public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
            heartbeat.beat();
            synchronized (JobQueue.this) {
                listener.onRelief();
            }
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
                synchronized (JobQueue.this) {
                    if (isCurrent(job, attempt)) {
                        job.recordPreview(step, png);
                    }
                }
            });
        }

        @Override
        public void onStep(int step, int steps, Duration elapsed) {
            heartbeat.progress();
            synchronized (JobQueue.this) {
                listener.onStep(elapsed);
                if (isCurrent(job, attempt)) {
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
