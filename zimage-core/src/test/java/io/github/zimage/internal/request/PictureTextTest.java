package io.github.zimage.internal.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.Nag;
import io.github.zimage.Precision;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import java.math.BigInteger;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

public final class PictureTextTest {
    /** A picture of Turbo's. */
    public static final ImageParameters TURBO = new ImageParameters(
            GenerationRequest.builder()
                    .prompt("a red fox,\nin the snow")
                    .size(1024, 768)
                    .seed(42)
                    .build(),
            "Z-Image-Turbo",
            Precision.BF16,
            Precision.BF16);

    private static String toText(ImageParameters picture, String version) {
        return PictureText.toText(picture.request(), picture.request().evaluations(), picture.model(), version);
    }

    /** Returns the JSON of a picture's parameters. */
    public static String toJson(ImageParameters picture) {
        return PictureText.toJson(picture.request(), picture.model(), picture.precision(), picture.vaePrecision());
    }

    // Other programs read the last line with a regular expression of their own; this is the form they know.
    @Test
    void text_ofTurbo() {
        assertThat(toText(TURBO, "zimage 0.1.0")).isEqualTo("""
                        a red fox,
                        in the snow
                        Steps: 8, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Seed: 42, Size: 1024x768, \
                        Model: Z-Image-Turbo, Version: zimage 0.1.0""");
    }

    @Test
    void text_withGuidanceAndSigmas() {
        ImageParameters parameters = new ImageParameters(
                GenerationRequest.builder()
                        .prompt("红狐")
                        .negativePrompt("blurry")
                        .size(512, 512)
                        .guidance(2.6)
                        .cfgNormalization(1)
                        .cfgTruncation(0.5)
                        .seed(new BigInteger("18446744073709551615"))
                        .sigmas(List.of(1f, 0.5f))
                        .build(),
                "a, \"b\": 狐",
                Precision.FP32,
                Precision.FP32);
        assertThat(toText(parameters, "zimage 0.1.0")).isEqualTo("""
                        红狐
                        Negative prompt: blurry
                        Steps: 2, Sampler: Euler, CFG scale: 3.6, Seed: 18446744073709551615, Size: 512x512, \
                        Model: "a, \\"b\\": 狐", Version: zimage 0.1.0""");
    }

    @Test
    void text_withSamplingAndAttentionGuidance() {
        ImageParameters parameters = parameters(request("a fox")
                .negativePrompt("blurry")
                .sampling(Sampling.of(Sampling.Sampler.DPMPP_2M).withSchedule(Sampling.Schedule.SGM_UNIFORM))
                .nag(Nag.DEFAULT));
        assertThat(toText(parameters, "v"))
                .startsWith("a fox\nNegative prompt: blurry\nSteps: 8, Sampler: DPM++ 2M, Schedule type: SGM Uniform,"
                        + " CFG scale: 1, ")
                .contains(", NAG scale: 2, NAG tau: 2.5, NAG alpha: 0.25, ");
    }

    // Other programs would take an empty line for the prompt, and an empty negative prompt for one.
    @Test
    void text_withoutPrompts_isOneLine() {
        ImageParameters parameters = parameters(request("").negativePrompt("").guidance(1));
        assertThat(toText(parameters, "v")).startsWith("Steps: 8, ").doesNotContain("\n");
    }

    // 4.35 + 1 in binary is 5.35 minus a bit; people compare this number with the one they typed.
    @ParameterizedTest
    @CsvSource({"0, 1", "4.35, 5.35", "1e-3, 1.001", "9, 10", "99, 100"})
    void text_guidanceCountsFromOne(double guidance, String scale) {
        ImageParameters parameters = parameters(request("").guidance(guidance));
        assertThat(toText(parameters, "v")).contains(", CFG scale: " + scale + ", ");
    }

    // A NUL ends the text for programs written in C, and is not allowed there.
    @Test
    void text_holdsNoNul() {
        ImageParameters parameters = new ImageParameters(
                request("a\0b").negativePrompt("c\0d").guidance(1).build(), "m\0", Precision.BF16, Precision.BF16);
        assertThat(toText(parameters, "v")).doesNotContain("\0").doesNotContain("Seed");
        PictureText.Content read = PictureText.fromJson(toJson(parameters));
        assertThat(read.request().build()).isEqualTo(parameters.request());
        assertThat(read.model()).isEqualTo(parameters.model());
    }

    // It had no effect, and other programs would take it for one that had.
    @Test
    void text_withoutGuidance_hasNoNegativePrompt() {
        assertThat(toText(parameters(request("a").negativePrompt("blurry")), "v"))
                .doesNotContain("blurry");
    }

    @Test
    void program_namesTheBuild() {
        assertThat(PictureText.PROGRAM).matches("zimage \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?");
    }

    @Test
    void json_isAscii() {
        ImageParameters parameters = new ImageParameters(request("狐 🦊").build(), "模型", Precision.BF16, Precision.FP32);
        assertThat(toJson(parameters)).matches("\\p{ASCII}+");
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
        assertThatIllegalArgumentException().isThrownBy(() -> PictureText.fromJson(json));
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
                "\"seed\":42 | \"seed\":18446744073709551616 | seed",
                "\"seed\":42 | \"seed\":4.5 | seed",
                "\"seed\":42 | \"sigmas\":[null] | sigmas",
                "\"seed\":42 | \"sigmas\":{} | sigmas",
                "\"seed\":42 | \"noiseReduction\":3 | noiseReduction",
                "\"model\":\"Z-Image-Turbo\" | \"model\":null | model",
                "\"precision\":\"BF16\" | \"precision\":\"FP4\" | precision",
            })
    void json_withAWrongValue_isRefusedByName(String good, String bad, String name) {
        String json = toJson(TURBO);
        assertThat(json).contains(good);
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        PictureText.fromJson(json.replace(good, bad)).request().build())
                .withMessageStartingWith(name);
    }

    private static GenerationRequest.Builder request(String prompt) {
        return GenerationRequest.builder().prompt(prompt).size(16, 16);
    }

    private static ImageParameters parameters(GenerationRequest.Builder request) {
        return new ImageParameters(request.build(), "m", Precision.BF16, Precision.BF16);
    }

    @Test
    void stepCache_isSaidWithTheForwardsThatWereMade() {
        ImageParameters parameters =
                parameters(request("a").steps(28).sampling(s -> s.withStepCache(StepCache.mask("fast"))));
        assertThat(toText(parameters, "v")).contains(", Step cache: mask=fast, Forwards: 13, ");
        assertThat(toText(TURBO, "v")).doesNotContain("Forwards");
    }
}
