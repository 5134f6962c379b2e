package io.github.zimage.internal.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.ImageParameters;
import io.github.zimage.Precision;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ParametersFormatTest {
    static final ImageParameters TURBO = new ImageParameters(
            "a red fox,\nin the snow",
            null,
            1024,
            768,
            8,
            0,
            0,
            1,
            42L,
            List.of(),
            "Z-Image-Turbo",
            Precision.BF16,
            Precision.BF16);

    // Other programs read the last line with a regular expression of their own; this is the form they know.
    @Test
    void text_ofTurbo() {
        assertThat(ParametersFormat.toText(TURBO, "zimage 0.1.0")).isEqualTo("""
                        a red fox,
                        in the snow
                        Steps: 8, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Seed: 42, Size: 1024x768, \
                        Model: Z-Image-Turbo, Version: zimage 0.1.0""");
    }

    @Test
    void text_withGuidanceAndSigmas() {
        ImageParameters parameters = new ImageParameters(
                "红狐",
                "blurry",
                512,
                512,
                2,
                2.6,
                1,
                0.5,
                -1L,
                List.of(1f, 0.5f),
                "a, \"b\": 狐",
                Precision.FP32,
                Precision.FP32);
        assertThat(ParametersFormat.toText(parameters, "zimage 0.1.0")).isEqualTo("""
                        红狐
                        Negative prompt: blurry
                        Steps: 2, Sampler: Euler, CFG scale: 3.6, Seed: -1, Size: 512x512, \
                        Model: "a, \\"b\\": 狐", Version: zimage 0.1.0""");
    }

    // Other programs would take an empty line for the prompt, and an empty negative prompt for one.
    @Test
    void text_withoutPrompts_isOneLine() {
        ImageParameters parameters =
                new ImageParameters("", "", 16, 16, 8, 0, 0, 1, 0L, List.of(), "m", Precision.BF16, Precision.BF16);
        assertThat(ParametersFormat.toText(parameters, "v"))
                .startsWith("Steps: 8, ")
                .doesNotContain("\n");
    }

    // 4.35 + 1 in binary is 5.35 minus a bit; people compare this number with the one they typed.
    @ParameterizedTest
    @CsvSource({"0, 1", "4.35, 5.35", "1e-3, 1.001", "9, 10", "99, 100"})
    void text_guidanceCountsFromOne(double guidance, String scale) {
        ImageParameters parameters = new ImageParameters(
                "", null, 16, 16, 8, guidance, 0, 1, 0L, List.of(), "m", Precision.BF16, Precision.BF16);
        assertThat(ParametersFormat.toText(parameters, "v")).contains(", CFG scale: " + scale + ", ");
    }

    // A NUL ends the text for programs written in C, and is not allowed there.
    @Test
    void text_holdsNoNul() {
        ImageParameters parameters = new ImageParameters(
                "a\0b", "c\0d", 16, 16, 8, 0, 0, 1, null, List.of(), "m\0", Precision.BF16, Precision.BF16);
        assertThat(ParametersFormat.toText(parameters, "v"))
                .doesNotContain("\0")
                .doesNotContain("Seed");
        assertThat(ParametersFormat.fromJson(ParametersFormat.toJson(parameters)))
                .isEqualTo(parameters);
    }

    @Test
    void program_namesTheBuild() {
        assertThat(ParametersFormat.PROGRAM).matches("zimage \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?");
    }

    @Test
    void json_isAscii() {
        ImageParameters parameters = new ImageParameters(
                "狐 🦊", null, 16, 16, 8, 0, 0, 1, null, List.of(), "模型", Precision.BF16, Precision.FP32);
        assertThat(ParametersFormat.toJson(parameters)).matches("\\p{ASCII}+");
    }

    // The record comes out of files from anywhere.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "[]",
                "{",
                "{}",
                "{\"prompt\": 1}",
                "{} {}",
                "7",
            })
    void json_thatIsNone_isRefused(String json) {
        assertThatIllegalArgumentException().isThrownBy(() -> ParametersFormat.fromJson(json));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"width\":1024 | \"width\":-1 | width",
                "\"width\":1024 | \"width\":1e99 | width",
                "\"width\":1024 | \"width\":4294967296 | width",
                "\"height\":768 | \"height\":\"768\" | height",
                "\"steps\":8 | \"steps\":8.5 | steps",
                "\"guidance\":0.0 | \"guidance\":1e999 | guidance",
                "\"guidance\":0.0 | \"guidance\":\"NaN\" | guidance",
                "\"seed\":42 | \"seed\":9223372036854775808 | seed",
                "\"sigmas\":[] | \"sigmas\":[null] | sigmas",
                "\"sigmas\":[] | \"sigmas\":{} | sigmas",
                "\"model\":\"Z-Image-Turbo\" | \"model\":null | model",
                "\"precision\":\"BF16\" | \"precision\":\"FP4\" | precision",
            })
    void json_withAWrongValue_isRefusedByName(String good, String bad, String name) {
        String json = ParametersFormat.toJson(TURBO);
        assertThat(json).contains(good);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ParametersFormat.fromJson(json.replace(good, bad)))
                .withMessageStartingWith(name);
    }
}
