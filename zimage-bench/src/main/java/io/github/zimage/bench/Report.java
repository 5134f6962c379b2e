package io.github.zimage.bench;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns results of JMH into one page with plots. What the results do not hold is left out. */
@Command(
        name = "report",
        description = "Turns results of JMH (-rf json) into one HTML page with plots.",
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class Report implements Callable<Integer> {
    private static final double MEBI = 1 << 20;

    @Parameters(paramLabel = "RESULTS.json", arity = "1..*", description = "Files that JMH wrote.")
    private List<Path> files;

    @Option(
            names = {"-o", "--out"},
            paramLabel = "F.html",
            defaultValue = "report.html",
            description = "The page to write (default: ${DEFAULT-VALUE}).")
    private Path out;

    /** Runs the command and ends the JVM if it fails. */
    static void main(List<String> args) {
        CommandLine commandLine = new CommandLine(new Report());
        commandLine.setExecutionExceptionHandler((e, command, result) -> {
            PrintWriter err = command.getErr();
            err.println("report: " + e.getMessage());
            return 1;
        });
        int code = commandLine.execute(args.toArray(String[]::new));
        if (code != 0) {
            System.exit(code);
        }
    }

    @Override
    public Integer call() throws IOException {
        List<BenchResult> results = new ArrayList<>();
        files.forEach(file -> results.addAll(BenchResult.read(file)));
        Files.writeString(out, html(results));
        System.out.println(out);
        return 0;
    }

    /** Returns the page. */
    static String html(List<BenchResult> results) {
        StringBuilder page = new StringBuilder();
        page.append("""
                <!DOCTYPE html>
                <html lang="en">
                <head>
                <meta charset="utf-8">
                <title>zimage benchmarks</title>
                <style>
                body { font: 15px/1.5 sans-serif; color: #344054; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
                svg { max-width: 100%; height: auto; }
                table { border-collapse: collapse; font-size: 13px; }
                th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid #e4e7ec; vertical-align: top; }
                td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
                </style>
                </head>
                <body>
                <h1>zimage benchmarks</h1>
                """);
        long disturbed = results.stream().filter(BenchResult::isDisturbed).count();
        if (disturbed > 0) {
            page.append(
                    "<p><strong>%d of %d results were measured while other programs computed, and are not to be stored.</strong></p>\n"
                            .formatted(disturbed, results.size()));
        }
        int id = 0;
        for (Section section : sections(results)) {
            id++;
            page.append("<h2>").append(escaped(section.title())).append("</h2>\n<p>");
            page.append(escaped(section.text())).append("</p>\n");
            page.append(section.plot().svg("plot" + id)).append('\n');
        }
        page.append("<h2>All results</h2>\n");
        appendTable(page, results);
        return page.append("</body>\n</html>\n").toString();
    }

    /** A plot with what it shows. */
    private record Section(String title, String text, Plot plot) {}

    private static List<Section> sections(List<BenchResult> results) {
        List<Section> sections = new ArrayList<>();
        addSteps(sections, results);
        addMemoryAgainstSpeed(sections, results);
        addPredictedMemory(sections, results);
        addAttention(sections, results);
        return sections;
    }

    private static void addSteps(List<Section> sections, List<BenchResult> results) {
        List<BenchResult> steps =
                results.stream().filter(r -> r.isOf(StepsBenchmark.class)).toList();
        if (steps.isEmpty()) {
            return;
        }
        sections.add(new Section(
                "Steps and time",
                "The time of a picture from a warm pipeline, the encoded prompt in its cache.",
                byParameter(steps, "steps", "steps", "seconds", BenchResult::seconds)));
        String reading = "distance.reference";
        List<BenchResult> distances = steps.stream().filter(r -> r.has(reading)).toList();
        if (!distances.isEmpty()) {
            String reference = distances.stream()
                    .map(r -> r.parameter("referenceSteps"))
                    .distinct()
                    .map(String::valueOf)
                    .collect(Collectors.joining(" or "));
            sections.add(new Section(
                    "Steps and distance from the picture in " + reference + " steps",
                    "Root of the mean squared difference of the pixels, in levels of 255; the same seed. What a few levels mean"
                            + " for the eye, it does not say.",
                    byParameter(distances, "steps", "steps", "levels", r -> r.reading(reading))));
        }
    }

    private static void addAttention(List<Section> sections, List<BenchResult> results) {
        List<BenchResult> attention =
                results.stream().filter(r -> r.isOf(AttentionBenchmark.class)).toList();
        if (!attention.isEmpty()) {
            sections.add(new Section(
                    "Attention and length",
                    "One attention over all heads.",
                    byParameter(attention, "length", "tokens", "milliseconds", r -> r.seconds() * 1000)));
        }
    }

    /** Lines over a parameter, one for each combination of the others that differ. */
    private static Plot byParameter(
            List<BenchResult> results,
            String parameter,
            String xTitle,
            String yTitle,
            ToDoubleFunction<BenchResult> value) {
        Plot plot = new Plot(xTitle, yTitle);
        Set<String> names = differing(results);
        names.remove(parameter);
        groups(results, r -> label(r, names)).forEach((name, group) -> {
            List<BenchResult> sorted = group.stream()
                    .sorted(Comparator.comparingDouble(r -> number(r, parameter)))
                    .toList();
            plot.line(
                    name,
                    sorted.stream().mapToDouble(r -> number(r, parameter)).toArray(),
                    sorted.stream().mapToDouble(value).toArray());
        });
        plot.yFrom0();
        return plot;
    }

    private static void addMemoryAgainstSpeed(List<Section> sections, List<BenchResult> results) {
        List<BenchResult> pictures = results.stream()
                .filter(r -> r.has("time.step")
                        && r.has("memory.peak")
                        && !r.isOf(StepsBenchmark.class)
                        && !r.isOf(GuidanceBenchmark.class))
                .toList();
        groups(
                        pictures,
                        r -> "%s, %s pixels square, %s steps"
                                .formatted(modelName(r), r.parameter("size"), r.parameter("steps")))
                .forEach((name, group) -> {
                    if (group.size() > 1) {
                        sections.add(new Section(
                                "Memory and speed: " + name,
                                "Peak of the whole process's resident memory against the time of a picture. On the dashed line nothing"
                                        + " is better in both.",
                                memoryAgainstSpeed(group)));
                    }
                });
    }

    private static Plot memoryAgainstSpeed(List<BenchResult> group) {
        Plot plot = new Plot("GiB", "seconds a picture");
        Set<String> names = differing(group);
        names.add("dtype");
        double most = 0;
        for (Map.Entry<String, List<BenchResult>> same :
                groups(group, r -> label(r, names)).entrySet()) {
            BenchResult best = same.getValue().stream()
                    .min(Comparator.comparingDouble(BenchResult::seconds))
                    .orElseThrow();
            plot.points(same.getKey(), new double[] {gibibytes(best)}, new double[] {best.seconds()});
            most = Math.max(most, gibibytes(best));
        }
        List<BenchResult> front = pareto(group);
        plot.auxiliary(
                "Pareto line",
                front.stream().mapToDouble(Report::gibibytes).toArray(),
                front.stream().mapToDouble(BenchResult::seconds).toArray());
        plot.from0(most, group.stream().mapToDouble(BenchResult::seconds).max().orElse(1));
        return plot;
    }

    /** Returns those that no other surpasses in memory without being slower, by memory. */
    static List<BenchResult> pareto(List<BenchResult> results) {
        List<BenchResult> front = new ArrayList<>();
        double fastest = Double.POSITIVE_INFINITY;
        List<BenchResult> byMemory = results.stream()
                .sorted(Comparator.comparingDouble(Report::gibibytes).thenComparingDouble(BenchResult::seconds))
                .toList();
        for (BenchResult result : byMemory) {
            if (result.seconds() < fastest) {
                front.add(result);
                fastest = result.seconds();
            }
        }
        return front;
    }

    private static void addPredictedMemory(List<Section> sections, List<BenchResult> results) {
        List<BenchResult> predicted = results.stream()
                .filter(r -> r.has("memory.predicted") && r.has("memory.peak"))
                .toList();
        if (predicted.isEmpty()) {
            return;
        }
        Plot plot = new Plot("predicted GiB", "measured GiB");
        Set<String> names = differing(predicted);
        double most = 0;
        for (Map.Entry<String, List<BenchResult>> same :
                groups(predicted, r -> label(r, names)).entrySet()) {
            double[] x = same.getValue().stream()
                    .mapToDouble(r -> r.reading("memory.predicted") * MEBI / (1 << 30))
                    .toArray();
            double[] y = same.getValue().stream().mapToDouble(Report::gibibytes).toArray();
            plot.points(same.getKey(), x, y);
            for (int i = 0; i < x.length; i++) {
                most = Math.max(most, Math.max(x[i], y[i]));
            }
        }
        plot.auxiliary("as predicted", new double[] {0, most}, new double[] {0, most});
        plot.from0(most, most);
        sections.add(new Section(
                "Predicted and measured memory",
                "What the plan promised before the model was loaded, against the peak of the resident memory. Below the line is"
                        + " within the promise.",
                plot));
    }

    private static double gibibytes(BenchResult result) {
        return result.reading("memory.peak") * MEBI / (1 << 30);
    }

    private static Map<String, List<BenchResult>> groups(
            List<BenchResult> results, Function<BenchResult, String> name) {
        return results.stream().collect(Collectors.groupingBy(name, LinkedHashMap::new, Collectors.toList()));
    }

    /** Returns the parameters that do not have the same value everywhere. */
    private static Set<String> differing(List<BenchResult> results) {
        Map<String, Set<String>> values = new TreeMap<>();
        for (BenchResult result : results) {
            result.parameters()
                    .forEach((name, value) ->
                            values.computeIfAbsent(name, n -> new TreeSet<>()).add(value));
        }
        return values.entrySet().stream()
                .filter(each -> each.getValue().size() > 1)
                .map(Map.Entry::getKey)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static String label(BenchResult result, Set<String> names) {
        String label = names.stream()
                .filter(name -> result.parameter(name) != null)
                .map(name -> name.equals("model") ? modelName(result) : name + " " + result.parameter(name))
                .collect(Collectors.joining(", "));
        return label.isEmpty() ? modelName(result) : label;
    }

    private static String modelName(BenchResult result) {
        Path name = Path.of(Objects.requireNonNullElse(result.parameter("model"), ""))
                .getFileName();
        return name == null || name.toString().isEmpty() ? result.benchmark() : name.toString();
    }

    private static double number(BenchResult result, String parameter) {
        String value = result.parameter(parameter);
        try {
            return Double.parseDouble(String.valueOf(value));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "%s: parameter %s must be a number, but was %s".formatted(result.benchmark(), parameter, value), e);
        }
    }

    private static void appendTable(StringBuilder page, List<BenchResult> results) {
        page.append(
                "<table>\n<tr><th>Benchmark</th><th>Parameters</th><th>Time</th><th>Machine</th><th>Readings</th></tr>\n");
        for (BenchResult result : results) {
            page.append("<tr><td>")
                    .append(escaped(result.benchmark()))
                    .append("</td><td>")
                    .append(escaped(joined(result.parameters(), "%s %s")))
                    .append("</td><td class=\"number\">")
                    .append(escaped(time(result.seconds())))
                    .append(Double.isNaN(result.error()) ? "" : escaped(" ± " + time(result.error())))
                    .append("</td><td>")
                    .append(machine(result))
                    .append("</td><td>")
                    .append(escaped(joined(result.readings(), "%s %.4g")))
                    .append("</td></tr>\n");
        }
        page.append("</table>\n");
    }

    /** Returns whether the processors were the benchmark's own, as far as it is known. */
    private static String machine(BenchResult result) {
        if (result.isDisturbed()) {
            return String.format(Locale.ROOT, "busy: others used %.1f processors", result.reading(BusyProfiler.BUSY));
        }
        return result.has(BusyProfiler.BUSY) ? "quiet" : "not watched";
    }

    private static String joined(Map<String, ?> values, String format) {
        return values.entrySet().stream()
                .map(each -> String.format(Locale.ROOT, format, each.getKey(), each.getValue()))
                .collect(Collectors.joining(", "));
    }

    private static String time(double seconds) {
        if (seconds >= 1) {
            return String.format(Locale.ROOT, "%.2f s", seconds);
        }
        return seconds >= 1e-3
                ? String.format(Locale.ROOT, "%.2f ms", seconds * 1e3)
                : String.format(Locale.ROOT, "%.1f µs", seconds * 1e6);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
