package io.github.zimage.bench;

import io.github.zimage.internal.system.AllowedProcessors;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Adds to each result how many processors other programs used meanwhile, 0 if they left this process alone: what was measured beside
 * them is not to be stored. Linux only; elsewhere it adds nothing.
 */
public final class BusyProfiler implements InternalProfiler {
    /** The name of the reading. */
    static final String BUSY = "busy.processors";

    private final SystemFiles files;
    private @Nullable ProcessorWatch watch;

    /** For JMH. */
    public BusyProfiler() {
        this(SystemFiles.ofThisMachine());
    }

    /** Watches by what a system tells. */
    BusyProfiler(SystemFiles files) {
        this.files = files;
    }

    /** Starts to watch for programs that take a processor that this process could use. */
    static ProcessorWatch watch(SystemFiles files) {
        return ProcessorWatch.start(files, new AllowedProcessors(files).byAffinity());
    }

    /** Returns what to say of others. */
    static String warning(ProcessorWatch.Others others) {
        return "BUSY: " + others + ", so these figures are not to be stored";
    }

    @Override
    public String getDescription() {
        return "How many processors other programs used";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        watch = files.lines("proc/stat").isEmpty() ? null : watch(files);
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        if (watch == null) {
            return List.of();
        }
        ProcessorWatch.Others others = watch.seen();
        if (others.disturb()) {
            System.out.println(warning(others));
        }
        return List.of(new ScalarResult(BUSY, others.used(), "processors", AggregationPolicy.MAX));
    }
}
