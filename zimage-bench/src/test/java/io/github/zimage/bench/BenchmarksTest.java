package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Protects that every benchmark runs and finds its results right, and that their results make a page. */
class BenchmarksTest {
    @TempDir
    Path folder;

    private static ChainedOptionsBuilder once() {
        return new OptionsBuilder()
                .mode(Mode.SingleShotTime)
                .forks(0)
                .warmupIterations(0)
                .measurementIterations(1)
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .addProfiler(NativeMemoryProfiler.class)
                .addProfiler(ReadingsProfiler.class)
                .addProfiler(BusyProfiler.class);
    }

    @Test
    void everyBenchmark_runsOnTheTinyModel_andMakesAPage() throws RunnerException, IOException {
        Path json = folder.resolve("results.json");
        Collection<RunResult> results = new Runner(once().param("steps", "4", "6")
                        .param("size", "64")
                        .param("referenceSteps", "16")
                        .param("length", "96")
                        .param("characters", "500")
                        .param("cfgTruncation", "0.5")
                        .param("guidance", "4")
                        .param("cache", "kept")
                        .param("tiling", "on")
                        .resultFormat(ResultFormatType.JSON)
                        .result(json.toString())
                        .build())
                .run();

        Map<String, List<RunResult>> byClass = results.stream()
                .collect(Collectors.groupingBy(
                        result -> result.getParams().getBenchmark().replaceAll(".*\\.(\\w+)\\.\\w+", "$1")));
        assertThat(byClass.keySet())
                .containsExactlyInAnyOrder(
                        "AttentionBenchmark",
                        "GuidanceBenchmark",
                        "LoadBenchmark",
                        "LoraBenchmark",
                        "PlacementBenchmark",
                        "PngBenchmark",
                        "PrecisionBenchmark",
                        "PromptLintBenchmark",
                        "StepsBenchmark",
                        "TokenizerBenchmark",
                        "VaeBenchmark");
        assertThat(byClass.get("StepsBenchmark"))
                .hasSize(2)
                .allSatisfy(result -> assertThat(result.getSecondaryResults())
                        .containsKeys("distance.reference", "distance.check", "time.step", "time.decode"));
        String page = Report.html(BenchResult.read(json));
        assertThat(page)
                .contains("Steps and time", "distance from the picture in 16 steps", "Memory and speed: tiny")
                .contains("Attention and length", "PngBenchmark.png");
        if (Files.exists(Path.of("/proc/self/status"))) {
            assertThat(results)
                    .allSatisfy(result -> assertThat(result.getSecondaryResults()
                                    .get("memory.anonymous")
                                    .getScore())
                            .isBetween(1.0, 1e5));
            assertThat(results)
                    .allSatisfy(
                            result -> assertThat(result.getSecondaryResults()).containsKey(BusyProfiler.BUSY));
            assertThat(page).contains("Predicted and measured memory");
        }
    }

    @Test
    void page_leavesOutWhatWasNotMeasured() {
        BenchResult result = new BenchResult("PngBenchmark.png", Map.of("size", "<512>"), 0.02, Double.NaN, Map.of());
        assertThat(Report.html(List.of(result)))
                .contains("size &lt;512&gt;", "20.00 ms")
                .doesNotContain("<svg", "Steps", "Predicted");
    }

    @Test
    void pareto_keepsWhatNothingSurpassesInBoth() {
        List<BenchResult> results = List.of(result(1, 9), result(2, 5), result(3, 6), result(4, 5), result(5, 1));
        assertThat(Report.pareto(results)).extracting(BenchResult::seconds).containsExactly(9.0, 5.0, 1.0);
    }

    private static BenchResult result(double mebibytes, double seconds) {
        return new BenchResult("A.b", Map.of(), seconds, Double.NaN, Map.of("memory.peak", mebibytes));
    }

    @Test
    void fileThatJmhDidNotWrite_isRefused() throws IOException {
        for (String text : List.of(
                "",
                "{}",
                "[{}]",
                "[1",
                "[{\"benchmark\":\"a.B.c\",\"primaryMetric\":{\"score\":1,\"scoreUnit\":\"x\"}}]")) {
            Path file = Files.writeString(folder.resolve("r.json"), text);
            assertThatThrownBy(() -> BenchResult.read(file))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("r.json");
        }
    }

    @Test
    void benchmarkThatDrawsAnotherPicture_fails() {
        assertThatThrownBy(() -> Reference.requireNear(new byte[] {0, 0, 90}, new byte[] {0, 0, 0}, 12, "it"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("it is wrong: it is 51.96 levels away from the reference, more than 12.00");
    }
}
