package io.github.zimage.internal.placement;

import io.github.zimage.internal.system.SystemFiles;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Watches how much memory the process has while it goes through the phases of a generation: its own and the pages of mapped files, as
 * Linux tells it. Looks often rather than asking for the peak at the end, because the system's own peak is of the process's whole
 * life, and setting it back would spoil it for whoever measures from outside.
 */
public final class ResidentMemory implements AutoCloseable {
    private static final String STATUS = "proc/self/status";
    private static final long PERIOD_MILLIS = 20;

    private final SystemFiles files;
    private final Map<Phase, Long> peaks = new HashMap<>();
    private final Thread thread;
    private Phase phase;
    private boolean closed;

    private ResidentMemory(SystemFiles files, Phase first) {
        this.files = files;
        phase = first;
        thread = new Thread(this::watch, "zimage-memory");
        thread.setDaemon(true);
    }

    /** Starts to watch, in a phase; nothing if the system does not tell. */
    public static Optional<ResidentMemory> start(Phase first) {
        return start(SystemFiles.ofThisMachine(), first);
    }

    static Optional<ResidentMemory> start(SystemFiles files, Phase first) {
        if (resident(files) == 0) {
            return Optional.empty();
        }
        ResidentMemory memory = new ResidentMemory(files, first);
        memory.look();
        memory.thread.start();
        return Optional.of(memory);
    }

    /** Ends a phase and begins another. */
    public synchronized void enter(Phase next) {
        look();
        phase = next;
        look();
    }

    /** Returns the most bytes that were in memory in each phase that was entered. */
    public synchronized Map<Phase, Long> peaks() {
        look();
        return Map.copyOf(peaks);
    }

    private synchronized void look() {
        peaks.merge(phase, resident(files), Math::max);
    }

    private synchronized void watch() {
        try {
            while (!closed) {
                look();
                wait(PERIOD_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static long resident(SystemFiles files) {
        return files.numbers(STATUS).getOrDefault("VmRSS", 0L);
    }

    /** Ends the watch. */
    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
    }
}
