package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class GenerationRequestTest {
    private static final PromptEmbeddings EMBEDDINGS = PromptEmbeddings.of(2, 3, new float[6]);
    private static final Latents LATENTS = Latents.of(1, 2, 3, new float[6]);

    @Test
    void defaults_areThoseOfTurbo() {
        GenerationRequest request = GenerationRequest.builder().prompt("fox").build();
        assertThat(request.width()).isEqualTo(1024);
        assertThat(request.height()).isEqualTo(1024);
        assertThat(request.steps()).isEqualTo(8);
        assertThat(request.sampling()).isEqualTo(Sampling.DEFAULT);
        assertThat(request.evaluations()).isEqualTo(8);
        assertThat(request.guidance()).isZero();
        assertThat(request.cfgNormalization()).isZero();
        assertThat(request.cfgTruncation()).isEqualTo(1);
        assertThat(request.count()).isEqualTo(1);
        assertThat(request.seed()).isNull();
        assertThat(request.negativePrompt()).isNull();
        assertThat(request.sigmas()).isEmpty();
        assertThat(request.latents()).isEmpty();
    }

    @Test
    void toBuilder_keepsEverything() {
        GenerationRequest request = GenerationRequest.builder()
                .promptEmbeddings(List.of(EMBEDDINGS, EMBEDDINGS))
                .negativeEmbeddings(EMBEDDINGS)
                .size(32, 48)
                .sampling(Sampling.of(Sampling.Sampler.HEUN).withShift(6))
                .guidance(2.5)
                .cfgNormalization(0.5)
                .cfgTruncation(0.25)
                .seed(-3)
                .count(2)
                .sigmas(List.of(0.9f, 0.4f))
                .latents(List.of(LATENTS, LATENTS, LATENTS, LATENTS))
                .build();
        assertThat(request.steps()).as("one step for each level").isEqualTo(2);
        assertThat(request.evaluations())
                .as("two in the first step, one in the last")
                .isEqualTo(3);
        assertThat(request.totalCount()).isEqualTo(4);
        assertThat(request.toBuilder().build()).usingRecursiveComparison().isEqualTo(request);
        GenerationRequest prompted = GenerationRequest.builder()
                .prompts(List.of("fox", "bird"))
                .negativePrompt("snow")
                .steps(5)
                .build();
        assertThat(prompted.toBuilder().build()).usingRecursiveComparison().isEqualTo(prompted);
    }

    // What a request holds must not change after it was checked.
    @Test
    void lists_areCopied() {
        List<String> prompts = new ArrayList<>(List.of("fox"));
        GenerationRequest.Builder builder = GenerationRequest.builder().prompts(prompts);
        prompts.add("bird");
        GenerationRequest request = builder.build();
        builder.prompt("bear");
        assertThat(request.prompts()).containsExactly("fox");
        assertThat(request.prompts()).isUnmodifiable();
    }

    @ParameterizedTest
    @MethodSource
    void badRequest_isRefusedByName(UnaryOperator<GenerationRequest.Builder> change, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        change.apply(GenerationRequest.builder().prompt("fox")).build())
                .withMessage(message);
    }

    static Stream<Arguments> badRequest_isRefusedByName() {
        return Stream.of(
                bad(b -> b.size(0, 16), "width must be between 1 and 8192 pixels, but was 0"),
                bad(b -> b.size(16, -16), "height must be between 1 and 8192 pixels, but was -16"),
                bad(b -> b.size(8208, 16), "width must be between 1 and 8192 pixels, but was 8208"),
                bad(b -> b.steps(0), "steps must be between 1 and 1000, but was 0"),
                bad(b -> b.steps(Integer.MIN_VALUE), "steps must be between 1 and 1000, but was -2147483648"),
                bad(b -> b.steps(1001), "steps must be between 1 and 1000, but was 1001"),
                bad(b -> b.guidance(Double.NaN), "guidance must be between 0 and 100, but was NaN"),
                bad(b -> b.guidance(-0.5), "guidance must be between 0 and 100, but was -0.5"),
                bad(b -> b.guidance(Double.POSITIVE_INFINITY), "guidance must be between 0 and 100, but was Infinity"),
                bad(b -> b.cfgNormalization(Double.NaN), "cfgNormalization must be between 0 and 100, but was NaN"),
                bad(b -> b.cfgNormalization(-1), "cfgNormalization must be between 0 and 100, but was -1"),
                bad(b -> b.cfgTruncation(Double.NaN), "cfgTruncation must be between 0 and 1, but was NaN"),
                bad(
                        b -> b.cfgTruncation(Double.NEGATIVE_INFINITY),
                        "cfgTruncation must be between 0 and 1, but was -Infinity"),
                bad(b -> b.count(0), "count must be between 1 and 1000, but was 0"),
                bad(b -> b.count(1001), "count must be between 1 and 1000, but was 1001"),
                bad(
                        b -> b.prompts(List.of()),
                        "either a prompt or prompt embeddings must be given, but there were none"),
                bad(
                        b -> b.promptEmbeddings(List.of(EMBEDDINGS)),
                        "either a prompt or prompt embeddings must be given, but there were both"),
                bad(
                        b -> b.negativePrompt("a").negativeEmbeddings(EMBEDDINGS),
                        "only one of negative prompt and negative embeddings can be given, but there were both"),
                bad(
                        b -> b.prompts(List.of())
                                .promptEmbeddings(List.of(EMBEDDINGS))
                                .guidance(1),
                        "guidance with prompt embeddings needs a negative prompt or negative embeddings"),
                bad(b -> b.sigmas(List.of(1f, 0.5f)).steps(3), "sigmas must be one a step (3), but there were 2"),
                bad(
                        b -> b.sampling(
                                s -> s.withSchedule(Sampling.Schedule.DYNAMIC).withShift(3)),
                        "the schedule dynamic chooses the shift itself, but shift was 3.0"),
                bad(
                        b -> b.sampling(s -> s.withShift(Double.NaN)),
                        "shift must be above 0 and at most 100, but was NaN"),
                badSigmas(0.5f, 0.5f),
                badSigmas(0.5f, 0.7f),
                badSigmas(1.5f, 1f),
                badSigmas(1f, 0f),
                badSigmas(1f, -0.1f),
                badSigmas(Float.NaN, 0.5f),
                badSigmas(1f, Float.NaN),
                bad(
                        b -> b.prompts(List.of("a", "b")).count(3).latents(List.of(LATENTS)),
                        "latents must be given for each of the 6 pictures, but there were 1"));
    }

    private static Arguments badSigmas(Float... sigmas) {
        return bad(
                b -> b.sigmas(Arrays.asList(sigmas)),
                "sigmas must fall strictly from at most 1 to above 0, but were " + Arrays.toString(sigmas));
    }

    private static Arguments bad(UnaryOperator<GenerationRequest.Builder> change, String message) {
        return Arguments.of(change, message);
    }

    // A form that says one mistake at a time is a form one fills in ten times.
    @Test
    void allProblems_areNamedAtOnce() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> GenerationRequest.builder()
                        .size(0, 9000)
                        .steps(0)
                        .guidance(Double.NaN)
                        .count(-1)
                        .build())
                .withMessage("either a prompt or prompt embeddings must be given, but there were none;"
                        + " width must be between 1 and 8192 pixels, but was 0;"
                        + " height must be between 1 and 8192 pixels, but was 9000;"
                        + " steps must be between 1 and 1000, but was 0;"
                        + " guidance must be between 0 and 100, but was NaN;"
                        + " count must be between 1 and 1000, but was -1");
    }

    @Test
    void nulls_areRefused() {
        GenerationRequest.Builder builder = GenerationRequest.builder();
        assertThatNullPointerException().isThrownBy(() -> builder.prompt(null));
        assertThatNullPointerException().isThrownBy(() -> builder.prompts(Arrays.asList("a", null)));
        assertThatNullPointerException().isThrownBy(() -> builder.negativePrompt(null));
        assertThatNullPointerException().isThrownBy(() -> builder.sigmas(Arrays.asList(1f, null)));
    }

    @Test
    void embeddingsAndLatents_mustHaveTheirShape_andAreCopied() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptEmbeddings.of(2, 3, new float[5]))
                .withMessage("embeddings of shape [2, 3] need 6 values, but there were 5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptEmbeddings.of(0, 3, new float[0]))
                .withMessage("embeddings must have positive dimensions, but were [0, 3]");
        // 2^16 * 2^16 is 0 in 32 bits.
        assertThatIllegalArgumentException().isThrownBy(() -> PromptEmbeddings.of(1 << 16, 1 << 16, new float[0]));
        float[] values = {1, 2};
        PromptEmbeddings embeddings = PromptEmbeddings.of(1, 2, values);
        values[0] = 9;
        embeddings.values()[1] = 9;
        assertThat(embeddings.values()).containsExactly(1, 2);
    }

    // As many steps as sigmas is a default, which must not turn into a contradiction when the sigmas change.
    @Test
    void toBuilder_keepsUnsetSteps() {
        GenerationRequest request = GenerationRequest.builder().prompt("fox").build();
        GenerationRequest other =
                request.toBuilder().sigmas(List.of(1f, 0.5f, 0.25f)).build();
        assertThat(other.steps()).isEqualTo(3);
        assertThat(other.toBuilder().sigmas(List.of()).build().steps()).isEqualTo(GenerationRequest.DEFAULT_STEPS);
    }
}
