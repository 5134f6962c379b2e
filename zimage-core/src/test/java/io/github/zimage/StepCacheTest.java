package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Sampling.Sampler;
import io.github.zimage.Sampling.StepCache;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects what a step cache is called, which steps it computes, what is counted of them, and where it is refused. */
final class StepCacheTest {
    private static String mask(StepCache cache, int steps) {
        return IntStream.range(0, steps)
                .mapToObj(step -> cache.computes(step, steps) ? "1" : "0")
                .collect(Collectors.joining());
    }

    private static GenerationRequest.Builder request(String cache) {
        return GenerationRequest.builder()
                .prompt("a fox")
                .steps(28)
                .sampling(s -> s.withStepCache(StepCache.of(cache)));
    }

    @ParameterizedTest
    @CsvSource({
        "slow, 1111111011011011001010101011",
        "medium, 1111111010101010100100100101",
        "fast, 1111111001001001000010001001",
        "1000000000000000000000000001, 1000000000000000000000000001"
    })
    void mask_saysWhichOf28StepsAreComputed(String name, String computed) {
        assertThat(mask(StepCache.mask(name), 28)).isEqualTo(computed);
        assertThat(request("mask=" + name).build().evaluations())
                .isEqualTo((int) computed.chars().filter(each -> each == '1').count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"slow", "medium", "fast", "101010101010101010101"})
    void firstAndLastStep_areAlwaysComputed_andAllOfFew(String name) {
        for (int steps = 1; steps <= 60; steps++) {
            String mask = mask(StepCache.mask(name), steps);
            assertThat(mask).startsWith("1").endsWith("1");
            if (steps < StepCache.LEAST_STEPS) {
                assertThat(mask).doesNotContain("0");
            } else {
                assertThat(mask).contains("0");
            }
        }
    }

    @Test
    void writtenOutMask_isReadAtTheNearestStepsOfAnotherNumber() {
        StepCache cache = StepCache.mask("111100001111000011110001");
        assertThat(mask(cache, 24)).isEqualTo("111100001111000011110001");
        assertThat(mask(cache, 12)).isEqualTo("110011001101");
        assertThat(mask(cache, 48)).isEqualTo("111111110000000011111111000000001111111100000011");
    }

    // Heun evaluates twice in each step but the last; a step that is left out leaves out both.
    @Test
    void evaluations_areThoseThatAreMade() {
        GenerationRequest.Builder builder = request("mask=medium");
        assertThat(builder.build().evaluations()).isEqualTo(16);
        assertThat(builder.hires(2).build().evaluations())
                .as("and of the 14 steps of the large picture 11110101001001")
                .isEqualTo(16 + 8);
        assertThat(builder.hires(1)
                        .sampling(s -> s.withSampler(Sampler.HEUN))
                        .build()
                        .evaluations())
                .isEqualTo(2 * 15 + 1);
        assertThat(request("fb=0.1").build().evaluations()).as("at most").isEqualTo(28);
        assertThat(request("off").build().evaluations()).isEqualTo(28);
    }

    @ParameterizedTest
    @ValueSource(strings = {"off", "mask=medium", "mask=1101", "fb=0.125", "fb=0.0"})
    void text_isReadAsItIsWritten(String text) {
        assertThat(StepCache.of(text)).hasToString(text);
        assertThat(StepCache.of(" " + text)).isEqualTo(StepCache.of(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "on",
                "mask",
                "mask=",
                "mask=quick",
                "mask=0111",
                "mask=1110",
                "mask=1",
                "mask=11x1",
                "fb=",
                "fb=x",
                "fb=-0.1",
                "fb=1.5",
                "fb=NaN",
                "off=1"
            })
    void textThatIsNone_isRefusedWithTheRule(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> StepCache.of(text))
                .withMessageStartingWith("stepCache must be off, mask=slow,")
                .withMessageContaining("but was");
        assertThatThrownBy(() -> GenerationRequest.fromJson(
                        "{\"prompt\": \"a\", \"steps\": 28, \"stepCache\": \"%s\"}".formatted(text)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("stepCache must be off, mask=slow,");
    }

    @ParameterizedTest
    @ValueSource(strings = {"mask=medium", "fb=0.1"})
    void fewSteps_andSamplersThatAddNoise_areRefused(String cache) {
        assertThatThrownBy(() -> request(cache).steps(8).build())
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("stepCache " + cache + " needs at least 12 steps")
                .hasMessageContaining("Turbo");
        for (Sampler sampler : Sampler.values()) {
            GenerationRequest.Builder builder = request(cache).sampling(s -> s.withSampler(sampler));
            if (sampler.isStochastic()) {
                assertThatThrownBy(builder::build)
                        .isInstanceOf(InvalidRequestException.class)
                        .hasMessageStartingWith("stepCache " + cache + " cannot be used with the sampler " + sampler);
            } else {
                assertThat(builder.build().sampling().sampler()).isEqualTo(sampler);
            }
        }
    }

    @Test
    void maskOfOtherSteps_isRefused_andOffNever() {
        assertThatThrownBy(() -> request("mask=1101101101101").build())
                .isInstanceOf(InvalidRequestException.class)
                .hasMessage("stepCache mask=1101101101101 is for 13 steps, but there were 28");
        assertThat(request("off").steps(1).build().evaluations()).isEqualTo(1);
    }

    @Test
    void json_hasIt() {
        GenerationRequest request = request("mask=fast").seed(1).build();
        assertThat(request.toJson()).contains("\"stepCache\":\"mask=fast\"");
        assertThat(GenerationRequest.fromJson(request.toJson())).isEqualTo(request);
    }
}
