package io.github.zimage.bench;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/** Adds to each result what the benchmark itself read off in its last invocation, such as the distance from a reference. */
public final class ReadingsProfiler implements InternalProfiler {
    private static final Map<String, ScalarResult> READINGS = new TreeMap<>();

    /** For JMH. */
    public ReadingsProfiler() {}

    /** Notes a reading; the next one of the same name replaces it. */
    static void put(String name, double value, String unit) {
        synchronized (READINGS) {
            READINGS.put(name, new ScalarResult(name, value, unit, AggregationPolicy.AVG));
        }
    }

    @Override
    public String getDescription() {
        return "What the benchmark itself read off";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        synchronized (READINGS) {
            READINGS.clear();
        }
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        synchronized (READINGS) {
            List<ScalarResult> readings = new ArrayList<>(READINGS.values());
            READINGS.clear();
            return readings;
        }
    }
}
