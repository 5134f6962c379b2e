package io.github.zimage.bench;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Adds to each result the most memory that was resident during an iteration, in MiB: {@code memory.peak} as the system counts it,
 * {@code memory.anonymous} and {@code memory.mapped} as samples saw it. Counts the whole process: the weights that are loaded, the
 * Java heap, and what the iteration needs. Adds nothing where the system is not Linux.
 */
public final class NativeMemoryProfiler implements InternalProfiler {
    private static final long SAMPLE_MILLIS = 5;

    private @Nullable Sampler sampler;
    private boolean peakCounts;

    /** For JMH. */
    public NativeMemoryProfiler() {}

    @Override
    public String getDescription() {
        return "Peak of the resident memory, through /proc";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        peakCounts = ProcessMemory.resetPeak();
        sampler = new Sampler();
        sampler.start();
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        OptionalLong peak = peakCounts ? ProcessMemory.peak() : OptionalLong.empty();
        List<ScalarResult> results = new ArrayList<>();
        peak.ifPresent(bytes -> results.add(mebibytes("memory.peak", bytes)));
        if (sampler != null) {
            sampler.end();
            if (sampler.anonymous > 0) {
                results.add(mebibytes("memory.anonymous", sampler.anonymous));
                results.add(mebibytes("memory.mapped", sampler.mapped));
            }
            sampler = null;
        }
        return results;
    }

    private static ScalarResult mebibytes(String name, long bytes) {
        return new ScalarResult(name, bytes / (double) (1 << 20), "MiB", AggregationPolicy.MAX);
    }

    private static final class Sampler extends Thread {
        private volatile boolean ended;
        private long anonymous;
        private long mapped;

        private Sampler() {
            super("memory-sampler");
            setDaemon(true);
        }

        @Override
        public void run() {
            while (!ended) {
                anonymous = larger(anonymous, ProcessMemory::anonymous);
                mapped = larger(mapped, ProcessMemory::mapped);
                try {
                    sleep(SAMPLE_MILLIS);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }

        private static long larger(long before, Supplier<OptionalLong> now) {
            return Math.max(before, now.get().orElse(0));
        }

        private void end() {
            ended = true;
            interrupt();
            try {
                join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
