package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests on their way: some are being generated, the others wait for their turns. Each that is admitted ends exactly once, with
 * pictures or with a reason. Thread-safe; watchers are called while the queue is locked, so they must not wait.
 */
final class JobQueue {
    private static final Logger LOG = LoggerFactory.getLogger(JobQueue.class);
    private static final int MAX_ATTEMPTS = 3;
    private static final int MAX_OUT_OF_MEMORY = 2;
    private static final Duration UNSEEN = Duration.ofSeconds(60);
    private static final double LEAST_GRACE_SECONDS = 1;
    private static final double MOST_GRACE_SECONDS = 60;

    private final ServerOptions options;
    private final ScheduledExecutorService worker;
    private final LongSupplier nanoTime;
    private final QueueListener listener;
    private final StallDetector stalls;
    private final FairQueue waiting = new FairQueue();
    private final Set<Job> running = new LinkedHashSet<>();
    private volatile @Nullable ImageBackend backend;
    private volatile boolean admits;
    private volatile int runningNow;
    private volatile int waitingNow;
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

    /**
     * Admits a request. Takes as long as counting its tokens does.
     *
     * @param client whose it is
     * @param previewsAt whether there shall be a preview of a step
     * @throws ApiException if the queue is full or the server does not take requests
     * @throws IllegalArgumentException if the request does not suit the model
     */
    Job submit(String client, GenerationRequest request, IntPredicate previewsAt) {
        ImageBackend checker;
        synchronized (this) {
            requireRoom(client);
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
            makeRoom(client);
            Job job = new Job(client, request, previewsAt, nanoTime.getAsLong());
            waiting.add(job);
            JobLog.admitted(job, running.size(), waiting.size());
            startNext();
            return job;
        }
    }

    /** Returns the job that must go so that a client's can come; null if there is room. */
    private @Nullable Job requireRoom(String client) {
        if (!admits) {
            throw ApiException.retryable(
                    503, "not_ready", "the server does not take requests now: it is starting or ending", 5);
        }
        int free = options.concurrency() - running.size();
        if (waiting.size() < options.queue() + Math.max(0, free)) {
            return null;
        }
        Job displaced = waiting.displacedBy(client);
        if (displaced == null) {
            throw full("%d requests are being drawn and %d wait, which is all there is room for: try again later");
        }
        return displaced;
    }

    private void makeRoom(String client) {
        Job displaced = requireRoom(client);
        if (displaced != null) {
            fail(
                    displaced,
                    full("%d requests are being drawn and %d wait, most of them yours, and another client came:"
                            + " try again later"));
        }
    }

    private ApiException full(String message) {
        return ApiException.retryable(
                429, "queue_full", message.formatted(running.size(), waiting.size()), retryAfterSeconds());
    }

    /** Returns after how many seconds a place will probably be free. */
    private long retryAfterSeconds() {
        return Math.max(1, Math.min(600, (long) Math.ceil(meanSeconds)));
    }

    /** Returns how many wait. Does not wait for the queue. */
    int depth() {
        return waitingNow;
    }

    /** Returns how many are being generated. Does not wait for the queue. */
    int active() {
        return runningNow;
    }

    /** Returns whether requests are taken and generated. Does not wait for the queue. */
    boolean isReady() {
        return admits && backend != null;
    }

    /** Returns how many bytes the latest request had in memory at most; 0 if nobody tells. */
    long peakBytes() {
        ImageBackend asked = backend;
        return asked == null ? 0 : asked.peakBytes();
    }

    /** Watches a job. If it has ended, only that is told, at once. */
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

    /** Notes that a client asked after a job. Does not wait for the queue. */
    void touch(Job job) {
        job.touch(nanoTime.getAsLong());
    }

    /** Ends a job, within a step if it is being generated. Does nothing to one that has ended. */
    synchronized void cancel(Job job, String why) {
        end(job, Job.State.CANCELLED, new ApiException(409, "cancelled", why));
    }

    /** Ends all jobs that nobody has watched or asked after for a minute. */
    synchronized void cancelAbandoned() {
        long now = nanoTime.getAsLong();
        for (Job job : all()) {
            if (job.watchers() == 0 && now - job.seenAt() > UNSEEN.toNanos()) {
                cancel(job, "the client went away: nobody asked after the job for %d s".formatted(UNSEEN.toSeconds()));
            }
        }
    }

    private List<Job> all() {
        List<Job> all = new ArrayList<>(running);
        all.addAll(waiting.inOrder());
        return all;
    }

    /** Begins to generate, or goes on, with a backend. */
    synchronized void attach(ImageBackend next) {
        backend = next;
        admits = true;
        startNext();
    }

    /** Takes back what is being generated; the next backend begins it from the start. Requests are admitted meanwhile. */
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
        if (job.attempts() >= MAX_ATTEMPTS) {
            String message = "it was begun %d times and could not be finished".formatted(MAX_ATTEMPTS);
            JobLog.failed(job, why, null);
            fail(job, new ApiException(500, "failed", message));
            return;
        }
        JobLog.begunAgain(job, why);
        stopRunning(job);
        job.requeue();
        waiting.putBack(job);
        listener.onRetry(job, why);
    }

    private void stopRunning(Job job) {
        leaveDevice(job);
        running.remove(job);
    }

    /** Admits nothing more, and ends what waits. What is being generated goes on. */
    synchronized void drain() {
        admits = false;
        starts = false;
        endAll(waiting.inOrder());
    }

    /** Ends everything. */
    synchronized void endAll() {
        drain();
        endAll(new ArrayList<>(running));
    }

    private void endAll(List<Job> jobs) {
        for (Job job : jobs) {
            fail(job, ApiException.retryable(503, "shutting_down", "the server is ending: send the request again", 5));
        }
    }

    private void startNext() {
        ImageBackend by = backend;
        while (by != null && starts && running.size() < options.concurrency()) {
            Job next = waiting.take(options.concurrency(), nanoTime.getAsLong(), grace());
            if (next == null) {
                break;
            }
            start(next, by);
        }
        updatePlaces();
    }

    /** How long a client counts that has its pictures and did not ask again yet. */
    private Duration grace() {
        double seconds = Math.max(LEAST_GRACE_SECONDS, Math.min(MOST_GRACE_SECONDS, 2 * meanSeconds));
        return Duration.ofNanos((long) (seconds * 1e9));
    }

    private void updatePlaces() {
        runningNow = running.size();
        waitingNow = waiting.size();
        int place = 0;
        for (Job job : waiting.inOrder()) {
            job.setPlace(++place);
        }
    }

    private void start(Job job, ImageBackend by) {
        running.add(job);
        Attempt attempt = new Attempt(this, job, stalls.dispatch(job.request()), worker, options.timeout());
        job.dispatch(attempt);
        attempt.start(by);
    }

    // What follows is called by attempts at jobs, which hold the lock; only recordRelief takes it itself.

    void markStarted(Job job) {
        job.markStarted(nanoTime.getAsLong());
    }

    void recordStep(Duration elapsed) {
        listener.onStep(elapsed);
    }

    synchronized void recordRelief() {
        listener.onRelief();
    }

    /** The device goes on while the pictures are encoded, perhaps with another job of the same client. */
    void leaveDevice(Job job) {
        Attempt attempt = job.attempt();
        if (attempt != null && attempt.leaveDevice()) {
            waiting.release(job, nanoTime.getAsLong());
        }
    }

    void succeed(Job job, List<EncodedImage> pictures) {
        stopRunning(job);
        job.succeed(pictures, nanoTime.getAsLong());
        recordEnd(job);
    }

    void handle(Job job, JobFailure failure, @Nullable Throwable cause) {
        switch (failure.kind()) {
            case OUT_OF_MEMORY -> {
                listener.onOutOfMemory();
                JobLog.outOfMemory(job, failure.reason());
                if (job.attempts() < MAX_OUT_OF_MEMORY) {
                    retry(job, "out of memory");
                } else {
                    fail(job, failure.answer());
                }
            }
            case INTERRUPTED -> retry(job, failure.reason());
            case BAD_REQUEST -> fail(job, failure.answer());
            case BROKEN_MODEL, UNEXPECTED -> {
                JobLog.failed(job, failure.reason(), cause);
                listener.onFailure(failure);
                fail(job, failure.answer());
            }
        }
    }

    private void retry(Job job, String why) {
        requeue(job, why);
        startNext();
    }

    void fail(Job job, ApiException why) {
        end(job, Job.State.FAILED, why);
    }

    private void end(Job job, Job.State state, ApiException why) {
        if (job.state().isFinal()) {
            return;
        }
        waiting.remove(job);
        stopRunning(job);
        job.fail(state, why, nanoTime.getAsLong());
        recordEnd(job);
    }

    private void recordEnd(Job job) {
        long now = nanoTime.getAsLong();
        Duration drawn = Duration.ofNanos(job.drawnNanos(now));
        if (job.state() == Job.State.SUCCEEDED) {
            meanSeconds += 0.1 * (drawn.toNanos() / 1e9 - meanSeconds);
        }
        JobLog.ended(job, now);
        listener.onEnd(job, Duration.ofNanos(job.waitedNanos(now)), drawn);
        startNext();
        notifyAll();
    }

    /** Waits until nothing is being generated, but not longer than a time; returns whether that is so. */
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
}
