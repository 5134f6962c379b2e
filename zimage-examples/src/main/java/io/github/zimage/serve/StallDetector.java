package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Predicate;

/**
 * How fast devices get on, learned from what they have done, so that a step that hangs can be told from one that is long. Each request is
 * watched by itself: of several devices, one that works does not hide one that hangs. Thread-safe.
 */
final class StallDetector {
    private static final double FORGETTING = 0.98;
    /** Prompts and pictures, beside the steps. */
    private static final int OTHER_PARTS = 2;

    private final LongSupplier nanoTime;
    private final Duration least;
    private final Duration unknown;
    private final int patience;
    private final Set<Heartbeat> heartbeats = new LinkedHashSet<>();
    private double slowest;

    /**
     * Knows nothing yet.
     *
     * @param nanoTime the clock
     * @param least what is always allowed
     * @param unknown what is allowed for a part of a request while nothing has been learned
     * @param patience how many times as long as the slowest known may take
     */
    StallDetector(LongSupplier nanoTime, Duration least, Duration unknown, int patience) {
        this.nanoTime = nanoTime;
        this.least = least;
        this.unknown = unknown;
        this.patience = patience;
    }

    /**
     * A device that was silent for too long.
     *
     * @param lasted for how long
     * @param allowed how long it might have been
     */
    record Stall(Duration lasted, Duration allowed) {
        private Duration excess() {
            return lasted.minus(allowed);
        }
    }

    /** Watches a request that is handed over to the devices, which may have others before it. */
    synchronized Heartbeat dispatch(GenerationRequest request) {
        long now = nanoTime.getAsLong();
        if (heartbeats.stream().noneMatch(Heartbeat::waits)) {
            // A device that has had nothing to do may have been silent.
            heartbeats.stream().filter(heartbeat -> heartbeat.left).forEach(heartbeat -> heartbeat.heardAt = now);
        }
        double work = RequestCost.ofStep(request);
        long parts = 1;
        for (Heartbeat before : heartbeats) {
            work += before.parts() * RequestCost.ofStep(before.request);
            parts += before.parts();
        }
        Heartbeat heartbeat = new Heartbeat(request, now, work, parts);
        heartbeats.add(heartbeat);
        return heartbeat;
    }

    /** Notes how long a step took. */
    synchronized void learn(GenerationRequest request, Duration step) {
        slowest = Math.max(slowest * FORGETTING, step.toNanos() / RequestCost.ofStep(request));
    }

    /** Forgets all requests, as before the devices are opened anew. */
    synchronized void clear() {
        heartbeats.clear();
    }

    /** Returns the longest stall that cannot be explained any more; empty if all is well. */
    synchronized Optional<Stall> stall() {
        long now = nanoTime.getAsLong();
        boolean anyWaits = heartbeats.stream().anyMatch(Heartbeat::waits);
        // A device that was told to leave a request has nothing to say unless another waits for it.
        Predicate<Heartbeat> counts = heartbeat -> anyWaits || !heartbeat.left;
        return heartbeats.stream()
                .filter(counts)
                .map(heartbeat -> new Stall(Duration.ofNanos(now - heartbeat.heardAt), allowed(heartbeat)))
                .filter(stall -> stall.excess().compareTo(Duration.ZERO) > 0)
                .max(Comparator.comparing(Stall::excess));
    }

    private Duration allowed(Heartbeat heartbeat) {
        if (slowest == 0) {
            return unknown.multipliedBy(heartbeat.expectedParts);
        }
        Duration expected =
                Duration.ofNanos((long) Math.min(Long.MAX_VALUE / 2.0, patience * slowest * heartbeat.expectedWork));
        return expected.compareTo(least) > 0 ? expected : least;
    }

    /** A request that was handed over: when it was heard of last, and what must happen until it is heard of again. */
    final class Heartbeat {
        private final GenerationRequest request;
        private long heardAt;
        private double expectedWork;
        private long expectedParts;
        private boolean begun;
        private boolean left;

        private Heartbeat(GenerationRequest request, long now, double expectedWork, long expectedParts) {
            this.request = request;
            this.heardAt = now;
            this.expectedWork = expectedWork;
            this.expectedParts = expectedParts;
        }

        private boolean waits() {
            return !begun;
        }

        private int parts() {
            return request.steps() + OTHER_PARTS;
        }

        /** Notes that a device begins with it. */
        void begin() {
            synchronized (StallDetector.this) {
                heartbeats.removeIf(heartbeat -> heartbeat.left);
                begun = true;
                expectedWork = RequestCost.ofStep(request);
                expectedParts = 1;
                heardAt = nanoTime.getAsLong();
            }
        }

        /** Notes that the device is at it. */
        void beat() {
            synchronized (StallDetector.this) {
                heardAt = nanoTime.getAsLong();
            }
        }

        /** Notes that a part was done that others can be compared with: a step, or a picture. */
        void progress() {
            synchronized (StallDetector.this) {
                long now = nanoTime.getAsLong();
                learn(request, Duration.ofNanos(now - heardAt));
                heardAt = now;
            }
        }

        /** Notes that the devices are done with it. */
        void end() {
            synchronized (StallDetector.this) {
                heartbeats.remove(this);
            }
        }

        /** Notes that it is no longer wanted. The device will only be heard of again with another request. */
        void abandon() {
            synchronized (StallDetector.this) {
                left = true;
                if (!begun) {
                    end();
                }
            }
        }
    }
}
