package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.placement.Placement;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that guidance, above all that by attention, reaches the pictures, in every precision, wherever the weights are and whatever is drawn beside. */
final class GuidancePipelineTest {
    /** As a share of the largest latent: what three steps make of the roundings of rows in another order. */
    private static final float ROUNDING = 1e-3f;

    private static final String LONG = "a very long prompt that says the same again and again, ".repeat(3);

    @TempDir
    static Path folder;

    private static GenerationRequest.Builder request() {
        return TinyModel.request().steps(3).negativePrompt("blurry").nag(Nag.DEFAULT);
    }

    private static PipelineBuilder pipeline(Precision precision) {
        return TinyModel.pipeline(folder)
                .conversionCache(ConversionCache.in(folder.resolve("converted")))
                .precision(Component.TRANSFORMER, precision);
    }

    private static float[] latents(ZImagePipeline pipeline, GenerationRequest.Builder request) {
        return pipeline.generate(request.build()).latents().values();
    }

    // The captions of these prompts have different lengths, and the negative one is between them.
    @ParameterizedTest
    @EnumSource(names = {"FP32", "BF16", "INT8"})
    void picture_isTheSameAloneTogetherAndStreamed(Precision precision) {
        List<String> prompts = List.of("a fox", LONG, LONG + LONG);
        GenerationRequest together =
                request().prompts(prompts).negativePrompt(LONG).count(2).build();
        try (ZImagePipeline resident = pipeline(precision).build();
                ZImagePipeline streamed = pipeline(precision)
                        .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                        .build()) {
            List<GeneratedImage> drawn = resident.generateAll(together);
            List<GeneratedImage> fromDisk = streamed.generateAll(together);
            for (int i = 0; i < drawn.size(); i++) {
                float[] alone = latents(
                        resident,
                        together.toBuilder().prompt(prompts.get(i / 2)).count(1).seed(together.seedOf(i)));
                assertThat(drawn.get(i).latents().values()).as("picture %d", i).isEqualTo(alone);
                assertThat(fromDisk.get(i).latents().values())
                        .as("picture %d from disk", i)
                        .isEqualTo(alone);
            }
            assertThat(drawn.get(0).latents().values())
                    .isNotEqualTo(latents(
                            resident,
                            together.toBuilder().prompt("a fox").count(1).nag(Nag.OFF)));
        }
    }

    @Test
    void scaleOne_alphaZero_andLowNoise_areAsWithout() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            float[] plain = latents(pipeline, request().nag(Nag.OFF));
            assertThat(latents(pipeline, request().nag(new Nag(1, 0, 1)))).isEqualTo(plain);
            assertThat(latents(pipeline, request().nag(each -> each.withAlpha(0))))
                    .isEqualTo(plain);
            assertThat(latents(pipeline, request())).isNotEqualTo(plain);
            // With the shift of 3, 0.43 is a level of 0.694 and 0.44 one of 0.702: it acts from 0.7 on.
            for (float highest : new float[] {0.43f, 0.44f}) {
                List<Float> sigmas = List.of(highest, 0.3f, 0.2f);
                boolean same = Arrays.equals(
                        latents(pipeline, request().sigmas(sigmas)),
                        latents(pipeline, request().sigmas(sigmas).nag(Nag.OFF)));
                assertThat(same).as("from %s on", highest).isEqualTo(highest < 0.44f);
            }
        }
    }

    @Test
    void negativePromptThatIsThePrompt_cancels() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            Nag strong = new Nag(8, 2.5, 1);
            float[] plain = latents(pipeline, request().nag(Nag.OFF));
            float[] cancelled = latents(pipeline, request().nag(strong).negativePrompt("a red fox in the snow"));
            float[] acting = latents(pipeline, request().nag(strong));
            assertThat(distance(cancelled, plain)).isLessThan(ROUNDING);
            assertThat(distance(acting, plain)).isGreaterThan(10 * ROUNDING);
        }
    }

    private static float distance(float[] actual, float[] expected) {
        float distance = 0;
        float largest = 0;
        for (int i = 0; i < actual.length; i++) {
            distance = Math.max(distance, Math.abs(actual[i] - expected[i]));
            largest = Math.max(largest, Math.abs(expected[i]));
        }
        return distance / largest;
    }

    @Test
    void embeddings_drawWhatTheirPromptsDo() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            GenerationRequest.Builder given = GenerationRequest.builder()
                    .promptEmbeddings(List.of(pipeline.encode("a red fox in the snow")))
                    .size(64, 48)
                    .steps(3)
                    .seed(7)
                    .nag(Nag.DEFAULT);
            assertThatThrownBy(given::build)
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("needs a negative prompt or negative embeddings");
            given.negativeEmbeddings(pipeline.encode("blurry"));
            assertThat(latents(pipeline, given)).isEqualTo(latents(pipeline, request()));
        }
    }

    // Each formula reaches the pictures, and its memory is each picture's own.
    @Test
    void formulasOfGuidance_drawPicturesOfTheirOwn() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            GenerationRequest.Builder guided = TinyModel.request().steps(3).guidance(3);
            List<GuidanceMethod> methods = List.of(
                    GuidanceMethod.DEFAULT,
                    GuidanceMethod.DEFAULT.withRescale(1),
                    GuidanceMethod.ZERO_STAR,
                    GuidanceMethod.ZERO_STAR.withZeroSteps(1),
                    GuidanceMethod.PROJECTED,
                    GuidanceMethod.PROJECTED.withMomentum(-0.5));
            Set<List<Float>> drawn = new HashSet<>();
            for (GuidanceMethod method : methods) {
                guided.guidanceMethod(method);
                float[] alone = latents(pipeline, guided.seed(8));
                List<GeneratedImage> together =
                        pipeline.generateAll(guided.seed(7).count(2).build());
                assertThat(together.get(1).latents().values()).as("%s", method).isEqualTo(alone);
                List<Float> values = new ArrayList<>();
                for (float value : alone) {
                    values.add(value);
                }
                drawn.add(values);
                guided.count(1);
            }
            assertThat(drawn).hasSameSizeAs(methods);
        }
    }

    @Test
    void unsetNegativePrompt_isTheEmptyOne() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            GenerationRequest.Builder unset = TinyModel.request().steps(3).nag(Nag.DEFAULT);
            assertThat(latents(pipeline, unset))
                    .isEqualTo(latents(pipeline, request().negativePrompt("")));
        }
    }

    @Test
    void withGuidance_itIsRefused() {
        assertThatThrownBy(() -> request().guidance(1).build())
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("only one of guidance and nagScale")
                .hasMessageContaining("guidance was 1.0 and nagScale 2.0");
    }

    // It acts in whatever steps there are at its noise levels: in both passes of hires, and from another picture.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void picturesFromPictures_areGuidedToo(boolean hires) {
        BufferedImage source = new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB);
        GenerationRequest.Builder builder = request().size(64, 64);
        GenerationRequest guided = (hires
                        ? builder.hires(2)
                        : builder.imageToImage(
                                ImageToImage.of(SourceImage.of(source)).strength(0.9)))
                .build();
        try (ZImagePipeline resident = TinyModel.pipeline(folder).build();
                ZImagePipeline streamed = TinyModel.pipeline(folder)
                        .place(Component.TRANSFORMER, Placement.streamedFromDisk())
                        .build()) {
            float[] drawn = latents(resident, guided.toBuilder());
            assertThat(latents(streamed, guided.toBuilder())).isEqualTo(drawn);
            assertThat(latents(resident, guided.toBuilder().nag(Nag.OFF))).isNotEqualTo(drawn);
        }
    }

    @Test
    void loraForNegativePromptsAlone_isRefused() {
        Lora lora = Lora.of(Path.of("style.safetensors"));
        assertThatThrownBy(() ->
                        request().lora(lora.prompts(Lora.Prompts.NEGATIVE)).build())
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("none can be for negative prompts alone");
        assertThat(request().lora(lora).build().loras()).hasSize(1);
    }
}
