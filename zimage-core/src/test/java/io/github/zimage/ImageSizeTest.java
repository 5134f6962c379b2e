package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that sizes come out as asked for, and such that the model takes them. */
class ImageSizeTest {
    @ParameterizedTest
    @CsvSource({
        "1024, 1024x1024",
        "1024x768, 1024x768",
        "640X1000, 640x1000",
        "1:1, 1024x1024",
        "16:9@1024, 1376x768",
        "9:16, 768x1376",
        "4:3@768, 896x672",
        "21:9@1280, 1952x832",
        "1:4@8, 32x32",
    })
    void texts_areSizes(String text, String size) {
        assertThat(ImageSize.of(text)).hasToString(size);
    }

    @Test
    void everyUsualRatioAtEveryTier_isNearItsAreaAndRatio() {
        int[][] ratios = {{1, 1}, {4, 3}, {3, 4}, {3, 2}, {2, 3}, {5, 4}, {4, 5}, {16, 9}, {9, 16}, {21, 9}, {9, 21}};
        // Sides are rounded to 32 pixels, so by 16, which is 3.2 % of the shortest one: 503 pixels, of 21:9@768.
        for (int tier : ImageSize.TIERS) {
            for (int[] ratio : ratios) {
                ImageSize size = ImageSize.ofRatio(ratio[0], ratio[1], tier);
                String as = "%d:%d@%d = %s".formatted(ratio[0], ratio[1], tier, size);
                assertThat(size.width() % 32 + size.height() % 32).as(as).isZero();
                assertThat((double) size.width() * size.height() / tier / tier)
                        .as(as)
                        .isCloseTo(1, within(0.03));
                assertThat((double) size.width() / size.height() * ratio[1] / ratio[0])
                        .as(as)
                        .isCloseTo(1, within(0.035));
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'' | a size must be like 1024x768, 1024, 16:9 or 16:9@1024, but was ''",
                "large | but was 'large'",
                "16:9x2 | but was '16:9x2'",
                "99999999999 | but was '99999999999'",
                "0x16 | width and height must be between 1 and 8192 pixels, but were 0 x 16",
                "16x8193 | but were 16 x 8193",
                "9:2 | a ratio must be between 1:4 and 4:1, but was 9:2",
                "0:1 | but was 0:1",
                "1:1@0 | the tier must be between 1 and 8192 pixels, but was 0",
                "4:1@8192 | but were 16384 x 4096",
            })
    void otherTexts_areRefused(String text, String message) {
        assertThatThrownBy(() -> ImageSize.of(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void requests_takeSizes() {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("")
                .size(ImageSize.of("3:2@768"))
                .build();
        assertThat(request.width()).isEqualTo(928);
        assertThat(request.height()).isEqualTo(640);
    }
}
