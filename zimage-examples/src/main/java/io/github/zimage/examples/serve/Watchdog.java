package io.github.zimage.examples.serve;

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

    private final Patient patient;
    private final long memoryLimit;
    private final Supplier<ProcessMemory> memory;
    private final MemoryTrend trend;
    private final Executor healer;
    private final AtomicInteger outOfMemory = new AtomicInteger();
    private final AtomicInteger relieved = new AtomicInteger();
    private final AtomicBoolean healing = new AtomicBoolean();
    private Cure next = Cure.TRIM;
    private int rebuilds;
    private int healthy;

    /**
     * Looks after a patient when told to.
     *
     * @param memoryLimit how many bytes the process may hold
     * @param healer carries out what takes time
     */
    Watchdog(Patient patient, long memoryLimit, Supplier<ProcessMemory> memory, MemoryTrend trend, Executor healer) {
        this.patient = patient;
        this.memoryLimit = memoryLimit;
        this.memory = memory;
        this.trend = trend;
        this.healer = healer;
    }

    /** What can be done, the mildest first. */
    enum Cure {
        TRIM,
        SHRINK,
        REBUILD,
        GIVE_UP
    }

    /** Who is looked after. */
    interface Patient {
        /** Returns for how long a device has been silent, if that is longer than its work explains. */
        Optional<Pace.Silence> overdue();

        /** Carries out a cure; returns false if that was not possible, so that the next is due. */
        boolean take(Cure cure, String why);
    }

    /** Notes that memory ran out, and somebody went without a picture. */
    void outOfMemory() {
        outOfMemory.incrementAndGet();
    }

    /** Notes that memory ran out, and the pipeline went on with a smaller plan. */
    void relieved() {
        relieved.incrementAndGet();
    }

    /** Looks, and heals if need be. */
    synchronized void check() {
        Optional<Pace.Silence> silence = patient.overdue();
        if (silence.isPresent()) {
            healthy = 0;
            next = Cure.REBUILD;
            // Not behind a cure that waits for the very thread that hangs.
            heal("the device has not been heard of for %d s, but at most %d s were expected"
                    .formatted(
                            silence.get().lasted().toSeconds(),
                            silence.get().allowed().toSeconds()));
            return;
        }
        if (healing.get()) {
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
            heal(Cure.TRIM, "memory ran out %d times, and the pipeline went on".formatted(reliefs));
        } else if (++healthy >= HEALTHY_CHECKS) {
            next = Cure.TRIM;
            rebuilds = 0;
        }
    }

    private String memoryProblem() {
        int failures = outOfMemory.getAndSet(0);
        if (failures > 0) {
            return "memory ran out %d times".formatted(failures);
        }
        long held = memory.get().held();
        if (held > memoryLimit) {
            return "%d MiB are held, but the limit is %d MiB".formatted(held >> 20, memoryLimit >> 20);
        }
        double growth = trend.bytesPerGeneration();
        if (held + GENERATIONS_AHEAD * growth > memoryLimit) {
            return "each generation adds %d KiB: the limit would be passed within %d generations"
                    .formatted((long) growth >> 10, GENERATIONS_AHEAD);
        }
        return "";
    }

    private void heal(String why) {
        Cure cure = next;
        if (cure == Cure.REBUILD && ++rebuilds > MAX_REBUILDS) {
            cure = Cure.GIVE_UP;
        }
        next = cure == Cure.TRIM ? Cure.SHRINK : Cure.REBUILD;
        heal(cure, why);
    }

    private void heal(Cure chosen, String why) {
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

    /** Takes what comes next if a cure is not to be had. */
    private void carryOut(Cure first, String why) {
        for (Cure cure : EnumSet.range(first, Cure.GIVE_UP)) {
            try {
                if (patient.take(cure, why)) {
                    return;
                }
                LOG.warn("healing={} was not possible", cure);
            } catch (RuntimeException e) {
                LOG.warn("healing={} failed", cure, e);
            }
        }
    }

    /** For the scheduler: never throws, as that would end the watch. */
    void checkQuietly() {
        try {
            check();
        } catch (RuntimeException e) {
            LOG.error("The watchdog failed", e);
        }
    }
}
