package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.cli.DemoPicturesTest.Wanted;
import io.github.zimage.internal.image.Psnr;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Draws as the base model is drawn, in 28 steps with guidance, and compares pictures with a step cache with those without. docs/sampling.md has
 * the table.
 */
final class DemoStepCacheTest {
    private static ZImagePipeline pipeline;
    private static List<GeneratedImage> plain;

    @BeforeAll
    static void open() {
        pipeline = ZImagePipeline.builder().model(Path.of("demo-model")).build();
        plain = pipeline.generateAll(request().build());
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    private static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompts(DemoPicturesTest.ENGLISH.stream().map(Wanted::prompt).toList())
                .size(128, 128)
                .steps(28)
                .guidance(2)
                .seed(1);
    }

    /**
     * What pictures come to.
     *
     * @param forwards how many were made for a picture, in the mean
     * @param decibels of all pixels of all pictures
     * @param worst of the pictures
     */
    private record Outcome(double forwards, double decibels, double worst) {}

    private static Outcome outcome(GenerationRequest request) {
        List<Double> errors = new ArrayList<>();
        int forwards = 0;
        List<GeneratedImage> drawn = pipeline.generateAll(request);
        for (int i = 0; i < drawn.size(); i++) {
            errors.add(Psnr.meanSquaredError(drawn.get(i).rgb(), plain.get(i).rgb()));
            forwards += drawn.get(i).timings().forwards();
        }
        double mean = errors.stream().mapToDouble(each -> each).average().orElseThrow();
        double worst = errors.stream().mapToDouble(each -> each).max().orElseThrow();
        return new Outcome((double) forwards / drawn.size(), Psnr.decibels(mean), Psnr.decibels(worst));
    }

    // Less than where this was written by some: the rounding of another processor moves single pictures.
    @ParameterizedTest
    @CsvSource({"mask=slow, 19, 44", "mask=medium, 16, 43", "mask=fast, 13, 38", "fb=0.05, 20, 41", "fb=0.1, 14, 36"})
    void picturesWithACache_areNearlyTheSame(String cache, int forwards, double decibels, TestReporter reporter) {
        GenerationRequest request = request()
                .sampling(Sampling.DEFAULT.withStepCache(StepCache.of(cache)))
                .build();
        require(outcome(request), forwards, decibels, cache, reporter);
    }

    // What a cache has to be compared with: the same work spent on fewer steps.
    @ParameterizedTest
    @CsvSource({"19, 42", "16, 40", "13, 37"})
    void picturesInFewerSteps_areToo(int steps, double decibels, TestReporter reporter) {
        require(outcome(request().steps(steps).build()), steps, decibels, steps + " steps", reporter);
    }

    private static void require(Outcome outcome, int forwards, double decibels, String what, TestReporter reporter) {
        reporter.publishEntry(what, outcome.toString());
        assertThat(outcome.forwards).isLessThanOrEqualTo(forwards);
        assertThat(outcome.decibels).isGreaterThanOrEqualTo(decibels);
    }
}
