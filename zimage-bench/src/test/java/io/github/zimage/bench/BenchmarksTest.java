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
                .addProfiler(ReadingsProfiler.class);
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
                .contains("Attention and length", "PngBenchmark.png")
                .doesNotContain("Predicted");
        if (Files.exists(Path.of("/proc/self/status"))) {
            assertThat(results)
                    .allSatisfy(result -> assertThat(result.getSecondaryResults()
                                    .get("memory.anonymous")
                                    .getScore())
                            .isBetween(1.0, 1e5));
        }
    }

    @Test
    void benchmarkThatDrawsAnotherPicture_fails() {
        assertThatThrownBy(() -> Reference.requireNear(new byte[] {0, 0, 90}, new byte[] {0, 0, 0}, 12, "it"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("it is wrong: it is 51.96 levels away from the reference, more than 12.00");
    }
}
