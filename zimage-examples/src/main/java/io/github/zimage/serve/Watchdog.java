package io.github.zimage.serve;

import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks after a server, and heals it in steps: frees caches, takes a smaller plan, makes the pipeline anew while requests wait, and at
 * last ends the process, which is then to be started again. A step that hangs is past the first two.
 */
final class Watchdog {
    /** How often to look. */
    static final Duration PERIOD = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(Watchdog.class);
    private static final int GENERATIONS_AHEAD = 500;
    private static final int HEALTHY_CHECKS = 20;
    private static final int MAX_REBUILDS = 2;

    private final Target target;
    private final MemoryBound memoryLimit;
    private final Supplier<ProcessMemory> memory;
    private final MemoryTrend trend;
    private final Executor healer;
    private final AtomicInteger outOfMemory = new AtomicInteger();
    private final AtomicInteger relieved = new AtomicInteger();
    private final AtomicBoolean healing = new AtomicBoolean();
    private Remedy next = Remedy.TRIM;
    private int rebuilds;
    private int healthy;

    /**
     * Looks after a target when told to.
     *
     * @param memoryLimit how much the process may hold
     * @param healer carries out what takes time
     */
    Watchdog(
            Target target,
            MemoryBound memoryLimit,
            Supplier<ProcessMemory> memory,
            MemoryTrend trend,
            Executor healer) {
        this.target = target;
        this.memoryLimit = memoryLimit;
        this.memory = memory;
        this.trend = trend;
        this.healer = healer;
    }

    /** What can be done, the mildest first. */
    enum Remedy {
        TRIM,
        SHRINK,
        REBUILD,
        GIVE_UP
    }

    /** Who is looked after. */
    interface Target {
        /** Returns for how long a device has been silent, if that is longer than its work explains. */
        Optional<StallDetector.Stall> stall();

        /** Returns why every request fails, if that is so. */
        Optional<String> failing();

        /** Carries out a remedy; returns false if that was not possible, so that the next is due. */
        boolean apply(Remedy remedy, String why);
    }

    /** Notes that memory ran out, and somebody went without a picture. */
    void recordOutOfMemory() {
        outOfMemory.incrementAndGet();
    }

    /** Notes that memory ran out, and the pipeline went on with a smaller plan. */
    void recordRelief() {
        relieved.incrementAndGet();
    }

    /** Looks, and heals if need be. */
    synchronized void check() {
        Optional<StallDetector.Stall> stall = target.stall();
        if (stall.isPresent()) {
            healthy = 0;
            next = Remedy.REBUILD;
            // Not behind a remedy that waits for the very thread that hangs.
            heal("the device has not been heard of for %d s, but at most %d s were expected"
                    .formatted(
                            stall.get().lasted().toSeconds(),
                            stall.get().allowed().toSeconds()));
            return;
        }
        if (healing.get()) {
            return;
        }
        Optional<String> failing = target.failing();
        if (failing.isPresent()) {
            healthy = 0;
            next = Remedy.REBUILD; // files are read anew
            heal("every request fails: " + failing.get());
            return;
        }
        String problem = memoryProblem();
        int reliefs = relieved.getAndSet(0);
        if (!problem.isEmpty()) {
            healthy = 0;
            heal(problem);
        } else if (reliefs > 0) {
            // The plan is smaller already, and nobody went without: to make the pipeline anew would only interrupt.
            healthy = 0;
            heal(Remedy.TRIM, "memory ran out %d times, and the pipeline went on".formatted(reliefs));
        } else if (++healthy >= HEALTHY_CHECKS) {
            next = Remedy.TRIM;
            rebuilds = 0;
        }
    }

    private String memoryProblem() {
        int failures = outOfMemory.getAndSet(0);
        if (failures > 0) {
            return "memory ran out %d times".formatted(failures);
        }
        long held = memory.get().held();
        if (held > memoryLimit.bytes()) {
            return "%d MiB are held, but the limit is %d MiB (%s)"
                    .formatted(held >> 20, memoryLimit.bytes() >> 20, memoryLimit.source());
        }
        double growth = trend.bytesPerGeneration();
        if (held + GENERATIONS_AHEAD * growth > memoryLimit.bytes()) {
            return "each generation adds %d KiB: the limit of %d MiB (%s) would be passed within %d generations"
                    .formatted((long) growth >> 10, memoryLimit.bytes() >> 20, memoryLimit.source(), GENERATIONS_AHEAD);
        }
        return "";
    }

    private void heal(String why) {
        Remedy remedy = next;
        if (remedy == Remedy.REBUILD && ++rebuilds > MAX_REBUILDS) {
            remedy = Remedy.GIVE_UP;
        }
        next = remedy == Remedy.TRIM ? Remedy.SHRINK : Remedy.REBUILD;
        heal(remedy, why);
    }

    private void heal(Remedy chosen, String why) {
        LOG.warn("healing={} why=\"{}\"", chosen, why);
        healing.set(true);
        healer.execute(() -> {
            try {
                carryOut(chosen, why);
            } finally {
                trend.clear();
                healing.set(false);
            }
        });
    }

    /** Takes what comes next if a remedy is not to be had. */
    private void carryOut(Remedy first, String why) {
        for (Remedy remedy : EnumSet.range(first, Remedy.GIVE_UP)) {
            try {
                if (target.apply(remedy, why)) {
                    return;
                }
                LOG.warn("healing={} was not possible", remedy);
            } catch (RuntimeException e) {
                LOG.warn("healing={} failed: {}", remedy, JobFailure.reason(e), e);
            }
        }
    }

    /** For the scheduler: never throws, as that would end the watch. */
    void checkQuietly() {
        try {
            check();
        } catch (RuntimeException e) {
            LOG.error("The watchdog failed: {}", JobFailure.reason(e), e);
        }
    }
}
