package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.tuning.RuntimeInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * What 8-bit integers cost in pictures: a third of all objects, drawn in FP32 and in INT8 from the same noise. Prints the scores that
 * docs/lab/performance.md states.
 */
final class Int8FidelityTest {
    private static final int EVERY = 3;
    /** As far from FP32 as can hardly be seen. */
    private static final double GOAL_DECIBELS = 30;

    private static final Judge JUDGE = new Judge();

    private record Wanted(String object, String background) {
        String prompt() {
            String article = "aeiou".indexOf(object.charAt(0)) < 0 ? "a" : "an";
            return "%s %s on %s %s background"
                    .formatted(article, object, background.equals("orange") ? "an" : "a", background);
        }

        boolean isSeenIn(GeneratedImage image) {
            return JUDGE.objects(image.toBufferedImage(), Judge.Layout.NORMAL).equals(List.of(object))
                    && JUDGE.background(image.toBufferedImage()).equals(background);
        }
    }

    // Rounding must not change what is seen. With the scale of a layer wrong, half of the objects would not be found.
    @Test
    void objects_areAsGoodAsInFp32() {
        assumeTrue(RuntimeInfo.probe().supports(Precision.INT8), "this processor has no instructions for it");
        List<String> names = JUDGE.names();
        List<String> colours = JUDGE.colours();
        List<Wanted> wanted = IntStream.iterate(0, i -> i < names.size(), i -> i + EVERY)
                .mapToObj(i -> new Wanted(names.get(i), colours.get(i % colours.size())))
                .toList();
        List<GeneratedImage> exact = draw(wanted, Precision.FP32);
        List<GeneratedImage> rounded = draw(wanted, Precision.INT8);
        List<String> lost = new ArrayList<>();
        double[] errors = new double[wanted.size()];
        int rightInFp32 = 0;
        int right = 0;
        for (int i = 0; i < wanted.size(); i++) {
            boolean before = wanted.get(i).isSeenIn(exact.get(i));
            boolean now = wanted.get(i).isSeenIn(rounded.get(i));
            rightInFp32 += before ? 1 : 0;
            right += now ? 1 : 0;
            if (before && !now) {
                lost.add(wanted.get(i).prompt());
            }
            errors[i] = Psnr.meanSquaredError(exact.get(i).rgb(), rounded.get(i).rgb());
        }
        double ofMean = Psnr.decibels(Arrays.stream(errors).average().orElseThrow());
        double[] decibels = Arrays.stream(errors).map(Psnr::decibels).toArray();
        Arrays.sort(decibels);
        System.out.printf(
                "INT8 against FP32, %d prompts: right %d and %d; PSNR of the mean error %.1f dB, median %.1f, a tenth below %.1f, lowest %.1f%n",
                wanted.size(),
                right,
                rightInFp32,
                ofMean,
                decibels[decibels.length / 2],
                decibels[decibels.length / 10],
                decibels[0]);
        assertThat(lost).as("found in FP32 only").isEmpty();
        assertThat(right).isGreaterThanOrEqualTo(rightInFp32);
        assertThat(rightInFp32).as("the judge and the model work").isGreaterThanOrEqualTo(wanted.size() * 9 / 10);
        assertThat(ofMean).as("PSNR of the mean error").isGreaterThanOrEqualTo(GOAL_DECIBELS);
    }

    private static List<GeneratedImage> draw(List<Wanted> wanted, Precision precision) {
        PipelineBuilder builder =
                ZImagePipeline.builder().model(Path.of("demo-model")).precision(precision);
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generateAll(GenerationRequest.builder()
                    .prompts(wanted.stream().map(Wanted::prompt).toList())
                    .size(128, 128)
                    .seed(100)
                    .build());
        }
    }
}
