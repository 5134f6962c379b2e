package io.github.zimage.internal.runtime;

import io.github.zimage.internal.system.ProcessorWatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has the threads that compute sleep, instead of spinning for each other, while other programs compute, and spin again when the
 * processors are theirs: spinning is faster by some per cent on a machine of its own, and slower many times on a busy one. How many
 * threads there are stays as it is, and with that each bit of a picture. Thread-safe.
 */
final class SpinGovernor {
    private static final Logger LOG = LoggerFactory.getLogger(SpinGovernor.class);
    private static final long PERIOD_MILLIS = 250;

    /** For two seconds nobody else may compute. */
    private static final int QUIET_PERIODS = 8;

    private final Team team;
    private final int threads;
    private boolean started;
    private int tasks;
    private boolean parked;
    private int quiet;

    /** What makes all threads sleep. */
    interface Team {
        /** Lets them sleep. */
        void park();

        /** Lets them spin. */
        void release();
    }

    /**
     * Lets threads spin until others are seen.
     *
     * @param threads how many compute
     */
    SpinGovernor(Team team, int threads) {
        this.team = team;
        this.threads = threads;
    }

    /** Looks after the machine from now on. */
    synchronized void begin() {
        tasks++;
        if (!started) {
            Thread thread = new Thread(this::watch, "zimage-spin");
            thread.setDaemon(true);
            thread.start();
            started = true;
        }
        notifyAll();
    }

    /** Ends what {@link #begin} began: nobody looks while nothing computes. */
    synchronized void end() {
        tasks--;
    }

    private void watch() {
        try {
            while (true) {
                awaitTask();
                ProcessorWatch processors = ProcessorWatch.start(threads);
                Thread.sleep(PERIOD_MILLIS);
                look(processors.seen());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void awaitTask() throws InterruptedException {
        while (tasks == 0) {
            wait();
        }
    }

    /** Decides by what was seen. */
    synchronized void look(ProcessorWatch.Others others) {
        if (others.disturb()) {
            quiet = 0;
            if (!parked) {
                parked = true;
                team.park();
                LOG.debug("Threads sleep while they wait for each other: {}", others);
            }
        } else if (parked && ++quiet >= QUIET_PERIODS) {
            parked = false;
            team.release();
            LOG.debug("Threads spin while they wait for each other");
        }
    }
}
