package io.github.zimage.serve;

import java.time.Duration;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;

/** Jobs that can be asked after, by names that cannot be guessed. Those that have ended are kept for a while, if there is room. */
final class JobStore {
    private static final int MAX_JOBS = 1000;
    private static final long MAX_BYTES = 256L << 20;
    private static final Duration KEPT = Duration.ofMinutes(15);

    private final LongSupplier nanoTime;
    private final Map<String, Job> jobs = new LinkedHashMap<>();

    JobStore(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /** Keeps a job. */
    synchronized void keep(Job job) {
        jobs.put(job.id(), job);
        sweep();
    }

    /** Returns a job. */
    synchronized Optional<Job> find(String id) {
        return Optional.ofNullable(jobs.get(id));
    }

    /** Returns how long a job is kept that has ended. */
    Duration left(Job job) {
        Duration left = KEPT.minusNanos(nanoTime.getAsLong() - job.endedAt());
        return left.isNegative() ? Duration.ZERO : left;
    }

    /** Forgets what is old, and of the rest, beginning with the oldest that has ended, what there is no room for. */
    synchronized void sweep() {
        long now = nanoTime.getAsLong();
        long bytes = jobs.values().stream().mapToLong(JobStore::bytes).sum();
        for (Iterator<Job> each = jobs.values().iterator(); each.hasNext(); ) {
            Job job = each.next();
            boolean old = job.state().isFinal() && now - job.endedAt() > KEPT.toNanos();
            boolean tooMuch = job.state().isFinal() && (bytes > MAX_BYTES || jobs.size() > MAX_JOBS);
            if (old || tooMuch) {
                bytes -= bytes(job);
                each.remove();
            }
        }
    }

    private static long bytes(Job job) {
        return job.pictures().stream()
                .mapToLong(picture -> picture.png().length)
                .sum();
    }
}
