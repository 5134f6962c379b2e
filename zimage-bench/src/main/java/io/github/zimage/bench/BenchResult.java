package io.github.zimage.bench;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One line of a JMH result.
 *
 * @param benchmark class and method, such as {@code StepsBenchmark.picture}
 * @param parameters values by name
 * @param seconds mean time of one invocation
 * @param error half the width of the 99.9 % confidence interval of that, NaN if unknown
 * @param readings secondary results by name
 */
record BenchResult(
        String benchmark, Map<String, String> parameters, double seconds, double error, Map<String, Double> readings) {
    private static final Map<String, Double> UNITS = Map.of("s/op", 1.0, "ms/op", 1e-3, "us/op", 1e-6, "ns/op", 1e-9);

    /**
     * Reads a file that JMH wrote with {@code -rf json}.
     *
     * @throws IllegalArgumentException if it is not such a file
     */
    static List<BenchResult> read(Path file) {
        JsonNode root;
        try {
            root = JsonMapper.builder().build().readTree(Files.readAllBytes(file));
        } catch (JacksonException e) {
            throw new IllegalArgumentException(file + ": not sound JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": cannot be read: " + e.getMessage(), e);
        }
        if (!root.isArray()) {
            throw new IllegalArgumentException(file + ": must be a list, as JMH writes with -rf json");
        }
        List<BenchResult> results = new ArrayList<>();
        for (JsonNode node : root) {
            results.add(of(file, node));
        }
        return results;
    }

    private static BenchResult of(Path file, JsonNode node) {
        String name = node.path("benchmark").asText();
        JsonNode primary = node.path("primaryMetric");
        Double unit = UNITS.get(primary.path("scoreUnit").asText());
        if (name.isEmpty() || unit == null || !primary.path("score").isNumber()) {
            throw new IllegalArgumentException("%s: result '%s' must have a score in %s"
                    .formatted(file, name, String.join(", ", new TreeMap<>(UNITS).keySet())));
        }
        Map<String, String> parameters = new TreeMap<>();
        node.path("params")
                .properties()
                .forEach(each -> parameters.put(each.getKey(), each.getValue().asText()));
        Map<String, Double> readings = new TreeMap<>();
        node.path("secondaryMetrics")
                .properties()
                .forEach(each -> readings.put(
                        each.getKey(), each.getValue().path("score").asDouble(Double.NaN)));
        String[] parts = name.split("\\.", -1);
        String simple = parts.length < 2 ? name : parts[parts.length - 2] + "." + parts[parts.length - 1];
        return new BenchResult(
                simple,
                parameters,
                primary.path("score").asDouble() * unit,
                primary.path("scoreError").asDouble(Double.NaN) * unit,
                readings);
    }

    /** Returns whether this is of a benchmark class. */
    boolean isOf(Class<?> benchmarkClass) {
        return benchmark.startsWith(benchmarkClass.getSimpleName() + ".");
    }

    /** Returns whether there is a secondary result of that name that is a number. */
    boolean has(String reading) {
        return !Double.isNaN(reading(reading));
    }

    /** Returns whether other programs computed meanwhile, so that this is not to be stored. */
    boolean isDisturbed() {
        return reading(BusyProfiler.BUSY) > 0;
    }

    /** Returns a secondary result, NaN if there is none. */
    double reading(String name) {
        return readings.getOrDefault(name, Double.NaN);
    }

    /** Returns the value of a parameter, or null if it has none of that name. */
    @Nullable
    String parameter(String name) {
        return parameters.get(name);
    }
}
