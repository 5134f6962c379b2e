package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that previews start from the noise of the pictures they stand for, and that chosen seeds draw those pictures. */
final class PreviewTest {
    @TempDir
    Path folder;

    private static final GenerationRequest FULL = GenerationRequest.builder()
            .prompt("a fox")
            .size(128, 64)
            .steps(1)
            .seed(40)
            .count(3)
            .build();

    @Test
    void preview_isHalfAsLargeAndKeepsTheRest() {
        GenerationRequest preview = FULL.preview();
        assertThat(List.of(preview.width(), preview.height(), preview.noiseReduction()))
                .containsExactly(64, 32, 2);
        assertThat(preview.seed()).isEqualTo(40);
        assertThat(preview.count()).isEqualTo(3);
        assertThat(preview.toBuilder().build().noiseReduction()).isEqualTo(2);
    }

    @Test
    void chosenSeeds_drawTheirPictures() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            List<GeneratedImage> all = pipeline.generateAll(FULL);
            List<GeneratedImage> chosen = pipeline.generateAll(
                    FULL.toBuilder().seeds(List.of(42L, 40L)).build());

            assertThat(chosen).extracting(GeneratedImage::seed).containsExactly(42L, 40L);
            assertThat(chosen.get(0).rgb()).isEqualTo(all.get(2).rgb());
            assertThat(chosen.get(1).rgb()).isEqualTo(all.get(0).rgb());
        }
    }

    @Test
    void previewsNoise_isTheReducedNoiseOfTheFullSize() {
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            GenerationRequest one = FULL.toBuilder().count(1).build();
            GeneratedImage preview = pipeline.generate(one.preview());
            // A single step from the same noise, reduced here.
            float[] noise = ZImagePipelineTest.noise(40, 16, 8, 16).values();
            GeneratedImage expected = pipeline.generate(one.toBuilder()
                    .size(64, 32)
                    .latents(List.of(Latents.of(16, 4, 8, halved(noise, 16, 8, 16))))
                    .build());

            // The mean of four is rounded here otherwise than there, by some 1e-7, which one step through the model
            // multiplies.
            assertThat(preview.latents().values())
                    .usingComparatorWithPrecision(1e-4f)
                    .containsExactly(expected.latents().values());
            assertThat(preview.rgb())
                    .isNotEqualTo(pipeline.generate(one.toBuilder().size(64, 32).build())
                            .rgb());
            assertThat(preview.parameters()).isNotNull();
            assertThat(preview.parameters().request().noiseReduction()).isEqualTo(2);
            // Of 512 numbers: four times what their variance scatters by.
            assertThat(variance(halved(noise, 16, 8, 16))).isCloseTo(1, within(0.25));
        }
    }

    @Test
    void requestsWithoutAPreview_areRefused() {
        assertThatThrownBy(() -> FULL.toBuilder().size(1360, 768).build().preview())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("for a preview, width and height must be multiples of 32, but were 1360 x 768"
                        + " (nearest: 1376 x 768)");
        Latents given = Latents.of(16, 8, 16, new float[16 * 8 * 16]);
        assertThatThrownBy(() -> FULL.toBuilder()
                        .count(1)
                        .latents(List.of(given))
                        .build()
                        .preview())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("latents that are given are not reduced");
        for (int reduction : new int[] {0, 3, 16, -2}) {
            assertThatThrownBy(() -> FULL.toBuilder().noiseReduction(reduction).build())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("noiseReduction must be 1, 2, 4 or 8, but was " + reduction);
        }
        assertThatThrownBy(
                        () -> FULL.toBuilder().size(4096, 64).noiseReduction(4).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("noise can be drawn for at most 8192 pixels");
    }

    @Test
    void seedOrCountAfterSeeds_replaceThem() {
        GenerationRequest.Builder builder = FULL.toBuilder().seeds(List.of(9L, 8L));
        assertThat(builder.build().count()).isEqualTo(2);
        assertThat(builder.build().seed()).isEqualTo(9);
        assertThat(builder.build().toBuilder().build().seeds()).containsExactly(9L, 8L);
        assertThat(builder.seed(1).build().seeds()).isEmpty();
    }

    private static float[] halved(float[] noise, int channels, int height, int width) {
        float[] result = new float[noise.length / 4];
        for (int c = 0; c < channels; c++) {
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    result[(c * height / 2 + y / 2) * width / 2 + x / 2] += noise[(c * height + y) * width + x] / 2;
                }
            }
        }
        return result;
    }

    private static double variance(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value * value;
        }
        return sum / values.length;
    }
}
