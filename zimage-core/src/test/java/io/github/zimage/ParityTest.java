package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ParityFixtures.Case;
import io.github.zimage.ParityFixtures.Errors;
import io.github.zimage.ParityFixtures.Picture;
import io.github.zimage.ParityFixtures.Request;
import io.github.zimage.ParityFixtures.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Protects the promise that pictures are those of diffusers: over random checkpoints and requests, our distance from a float64
 * run of diffusers is held against diffusers' own distance from it. {@code -Dzimage.parity=DIR} takes other fixtures than the
 * committed ones; {@code tools/parity/run.sh} makes them.
 */
class ParityTest {
    private static final double FP32_FACTOR = 8;
    private static final double BF16_FACTOR = 1.25;

    /**
     * What diffusers' own FP32 error counts at least. Rounding a result to FP32 leaves up to 6e-8 of it, and the last bits of sines
     * and exponentials differ from library to library; a run of diffusers can be nearer to the truth than such things by luck, mostly
     * where the steps hardly move the noise.
     */
    private static final double FP32_FLOOR = 3e-7;

    private static List<Case> cases() {
        return ParityFixtures.cases();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void fp32_isAsNearToTheTruthAsDiffusers(Case fixture) {
        List<String> problems = new ArrayList<>();
        try (ZImagePipeline pipeline = pipeline(fixture, Precision.FP32)) {
            for (Request request : fixture.requests()) {
                checkEmbeddings(pipeline, fixture, request, problems);
                List<GeneratedImage> images = draw(pipeline, request);
                for (int i = 0; i < images.size(); i++) {
                    Picture picture = request.pictures().get(i);
                    Comparison comparison = compare(images.get(i), picture, picture.fp32(), FP32_FLOOR);
                    String line = comparison.describe(fixture, request, i, Precision.FP32);
                    if (!(comparison.ratio() <= FP32_FACTOR) || comparison.pixelsMax() > 1) {
                        problems.add(line);
                    }
                }
            }
        }
        assertThat(problems)
                .as("latents at most %s times diffusers' error, pictures within 1 level", FP32_FACTOR)
                .isEmpty();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void bf16_isAsNearToTheTruthAsDiffusers(Case fixture) {
        List<String> problems = new ArrayList<>();
        try (ZImagePipeline pipeline = pipeline(fixture, Precision.BF16)) {
            for (Request request : fixture.requests()) {
                List<GeneratedImage> images = draw(pipeline, request);
                for (int i = 0; i < images.size(); i++) {
                    Picture picture = request.pictures().get(i);
                    Comparison comparison = compare(images.get(i), picture, picture.bf16(), 0);
                    String line = comparison.describe(fixture, request, i, Precision.BF16);
                    if (!(comparison.ratio() <= BF16_FACTOR)) {
                        problems.add(line);
                    }
                }
            }
        }
        assertThat(problems)
                .as("latents at most %s times diffusers' error", BF16_FACTOR)
                .isEmpty();
    }

    private static ZImagePipeline pipeline(Case fixture, Precision precision) {
        PipelineBuilder builder =
                ZImagePipeline.builder().model(fixture.model()).precision(precision);
        if (fixture.variant() != null) {
            builder.variant(fixture.variant());
        }
        return builder.build();
    }

    private static List<GeneratedImage> draw(ZImagePipeline pipeline, Request request) {
        List<GeneratedImage> images = pipeline.generateAll(request.request());
        assertThat(images).hasSameSizeAs(request.pictures());
        return images;
    }

    /** The text encoder comes first: where it is off, all that follows is. */
    private static void checkEmbeddings(ZImagePipeline pipeline, Case fixture, Request request, List<String> problems) {
        Map<String, Tensor> inside = request.inside();
        Tensor truth = inside.get("text.positive");
        if (truth == null) {
            return;
        }
        PromptEmbeddings embeddings =
                pipeline.encode(request.request().prompts().get(0));
        assertThat(List.of(embeddings.tokens(), embeddings.features()))
                .as("shape of the prompt embeddings of %s request %d", fixture, request.number())
                .isEqualTo(truth.shape());
        double error = truth.relativeError(embeddings.values());
        double allowed = Math.max(request.pictures().get(0).fp32().text(), FP32_FLOOR);
        if (!(error <= FP32_FACTOR * allowed)) {
            problems.add("%s request %d: the prompt embeddings are off by %.1e, diffusers' by %.1e"
                    .formatted(fixture, request.number(), error, allowed));
        }
    }

    private static Comparison compare(GeneratedImage image, Picture truth, Errors diffusers, double floor) {
        Latents latents = image.latents();
        assertThat(List.of(latents.channels(), latents.height(), latents.width()))
                .isEqualTo(truth.latents().shape());
        assertThat(List.of(image.height(), image.width(), 3))
                .isEqualTo(truth.rounded().shape());
        byte[] rgb = image.rgb();
        double[] rounded = truth.rounded().values();
        double[] pixels = truth.pixels().values();
        assertThat(rgb).hasSize(rounded.length);
        int max = 0;
        double sum = 0;
        for (int i = 0; i < rgb.length; i++) {
            int level = Byte.toUnsignedInt(rgb[i]);
            max = Math.max(max, Math.abs(level - (int) rounded[i]));
            sum += Math.abs(level - pixels[i]);
        }
        double error = truth.latents().relativeError(latents.values());
        return new Comparison(error, diffusers, error / Math.max(diffusers.latents(), floor), max, sum / rgb.length);
    }

    private record Comparison(double error, Errors diffusers, double ratio, int pixelsMax, double pixelsMean) {
        /** Says it in a line, prints that, and returns it. */
        private String describe(Case fixture, Request request, int picture, Precision precision) {
            String line = ("%s request %d picture %d %s: latents off by %.2e, diffusers' by %.2e, ratio %.2f;"
                            + " pixels off by at most %d (diffusers' %d), %.2f on average")
                    .formatted(
                            fixture,
                            request.number(),
                            picture,
                            precision,
                            error,
                            diffusers.latents(),
                            ratio,
                            pixelsMax,
                            diffusers.pixelsMax(),
                            pixelsMean);
            System.out.println(line);
            return line;
        }
    }
}
