package io.github.zimage.examples.serve;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.Collection;
import java.util.function.LongSupplier;

/**
 * How fast the device gets on, learned from what it has done, so that a step that hangs can be told from one that is long. Thread-safe.
 */
final class Pace {
    private static final int PIXELS_PER_TOKEN = 256;
    private static final double FORGETTING = 0.98;

    private final LongSupplier nanoTime;
    private final Duration least;
    private final Duration unknown;
    private final int patience;
    private long markedAt;
    private double slowest;

    /**
     * Knows nothing yet.
     *
     * @param nanoTime the clock
     * @param least what is always allowed
     * @param unknown what is allowed while nothing has been learned
     * @param patience how many times as long as the slowest known may take
     */
    Pace(LongSupplier nanoTime, Duration least, Duration unknown, int patience) {
        this.nanoTime = nanoTime;
        this.least = least;
        this.unknown = unknown;
        this.patience = patience;
        this.markedAt = nanoTime.getAsLong();
    }

    /** Notes that the device is alive, or begins after a rest. */
    synchronized void mark() {
        markedAt = nanoTime.getAsLong();
    }

    /** Notes that a part of a request was done: its prompts, a step, a picture. */
    synchronized void progress(GenerationRequest request) {
        long now = nanoTime.getAsLong();
        slowest = Math.max(slowest * FORGETTING, (now - markedAt) / work(request));
        markedAt = now;
    }

    /** Returns for how long the device has not been heard of. */
    synchronized Duration silence() {
        return Duration.ofNanos(nanoTime.getAsLong() - markedAt);
    }

    /** Returns how long the device may be silent over one of these requests. */
    synchronized Duration allowed(Collection<GenerationRequest> requests) {
        if (slowest == 0) {
            return unknown;
        }
        double most = requests.stream().mapToDouble(Pace::work).max().orElse(0);
        Duration expected = Duration.ofNanos((long) Math.min(Long.MAX_VALUE / 2.0, patience * slowest * most));
        return expected.compareTo(least) > 0 ? expected : least;
    }

    /** Products grow with the number of tokens, attention with its square. */
    private static double work(GenerationRequest request) {
        double tokens = (double) request.width() * request.height() / PIXELS_PER_TOKEN;
        int passes = request.guidance() > 0 ? 2 : 1;
        return tokens * (1 + tokens / 4096) * request.totalCount() * passes;
    }
}
