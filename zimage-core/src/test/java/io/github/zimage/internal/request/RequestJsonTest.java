package io.github.zimage.internal.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.zimage.GenerationRequest;
import io.github.zimage.GuidanceMethod;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Lora;
import io.github.zimage.Nag;
import io.github.zimage.Sampling;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A request that goes through JSON comes out as it was; what is wrong in JSON is said by the field's name. */
final class RequestJsonTest {
    /** Setters whose values are too large for JSON, that stand for two others or unset one, or that read JSON. */
    private static final Set<String> NO_FIELDS = Set.of(
            "promptEmbeddings", "negativeEmbeddings", "latents", "size", "json", "lora", "withoutUpscaler", "control");

    @Test
    void defaults_areWrittenByValue() {
        assertThat(GenerationRequest.builder().prompt("a fox").build().toJson())
                .isEqualTo("{\"prompt\":\"a fox\",\"width\":1024,\"height\":1024,\"steps\":8,\"guidance\":0.0,"
                        + "\"cfgNormalization\":0.0,\"cfgTruncation\":1.0}");
    }

    // A setting that JSON does not carry would silently be lost on the way through a server, a file or a picture.
    @Test
    void everySetter_hasItsField() {
        Set<String> setters = Arrays.stream(GenerationRequest.Builder.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()))
                .filter(method -> method.getReturnType() == GenerationRequest.Builder.class)
                .map(Method::getName)
                .filter(name -> !NO_FIELDS.contains(name))
                .flatMap(name -> switch (name) {
                    case "sampling" -> parts(Sampling.class);
                    case "imageToImage" -> setters(ImageToImage.class);
                    case "guidanceMethod" ->
                        Stream.of(
                                "guidanceMethod",
                                "guidanceRescale",
                                "cfgZeroSteps",
                                "apgMomentum",
                                "apgThreshold",
                                "apgEta");
                    case "nag" -> Stream.of("nagScale", "nagTau", "nagAlpha");
                    default -> Stream.of(name);
                })
                .collect(Collectors.toSet());
        assertThat(RequestJson.names()).containsExactlyInAnyOrderElementsOf(setters);
    }

    /** Several values in one, each of which is a field. */
    private static Stream<String> parts(Class<? extends Record> type) {
        return Arrays.stream(type.getRecordComponents()).map(RecordComponent::getName);
    }

    /** Several values in one, each with a setter that returns another. */
    private static Stream<String> setters(Class<?> type) {
        return Arrays.stream(type.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()) && !Modifier.isStatic(method.getModifiers()))
                .filter(method -> method.getReturnType() == type)
                .map(Method::getName)
                .distinct();
    }

    @Test
    void anyRequest_comesBackEqual() {
        Random random = new Random(5);
        for (int i = 0; i < 500; i++) {
            GenerationRequest request = request(random);
            assertThat(GenerationRequest.fromJson(request.toJson()))
                    .as(request.toJson())
                    .isEqualTo(request)
                    .hasSameHashCodeAs(request);
        }
    }

    /** Sets all that can be set of a control picture. */
    private static ControlImage control(Random random) {
        ControlImage.Type[] types = ControlImage.Type.values();
        return ControlImage.of(SourceImage.ofDigest("ab".repeat(32)))
                .type(types[random.nextInt(types.length)])
                .scale(random.nextDouble(-10, 10))
                .from(random.nextDouble(0.5))
                .until(random.nextDouble(0.6, 1))
                .stepScales(List.of(random.nextDouble(), random.nextDouble()))
                .fit(ImageToImage.Fit.CONTAIN)
                .inpaintImage(SourceImage.ofDigest("cd".repeat(32)))
                .inpaintMask(SourceImage.ofDigest("de".repeat(32)))
                .semantics(ControlImage.Semantics.DIFFUSERS);
    }

    // As for the request's own setters: what is new of a control picture must not be lost.
    @Test
    void everySetterOfAControlPicture_hasItsField() {
        String json = GenerationRequest.builder()
                .prompt("")
                .control(control(new Random(1)).type(ControlImage.Type.TILE))
                .build()
                .toJson();
        Set<String> setters = setters(ControlImage.class)
                .filter(name -> !name.equals("inpaint"))
                .collect(Collectors.toSet());
        assertThat(setters)
                .hasSizeGreaterThan(8)
                .allSatisfy(name -> assertThat(json).contains('"' + name + '"'));
    }

    private static GenerationRequest request(Random random) {
        GenerationRequest.Builder request = GenerationRequest.builder()
                .size(1 + random.nextInt(512), 1 + random.nextInt(512))
                .guidance(random.nextDouble() * 100)
                .cfgNormalization(random.nextDouble())
                .cfgTruncation(random.nextDouble());
        GuidanceMethod.Kind[] kinds = GuidanceMethod.Kind.values();
        request.guidanceMethod(new GuidanceMethod(
                kinds[random.nextInt(kinds.length)],
                random.nextDouble(),
                random.nextInt(1000),
                random.nextDouble(-1, 1),
                random.nextDouble(1000),
                random.nextDouble()));
        if (random.nextBoolean()) {
            request.guidance(0).nag(new Nag(random.nextDouble(1, 20), random.nextDouble(), random.nextDouble()));
        }
        if (random.nextBoolean()) {
            request.prompt(text(random));
        } else {
            request.prompts(List.of(text(random), text(random)));
        }
        if (random.nextBoolean()) {
            request.negativePrompt(text(random));
        }
        Sampling.Sampler[] samplers = Sampling.Sampler.values();
        request.sampling(Sampling.of(samplers[random.nextInt(samplers.length)]).withShift(random.nextDouble(0.1, 100)));
        if (random.nextBoolean()) {
            request.control(control(random)).control(ControlImage.of(SourceImage.ofDigest("ef".repeat(32))));
        }
        if (random.nextBoolean()) {
            request.lora(Lora.named("a b" + random.nextInt()).weight(random.nextDouble(-2, 2)))
                    .lora(Lora.named("c")
                            .blockWeights(Map.of("layers.1", random.nextDouble()))
                            .prompts(Lora.Prompts.POSITIVE)
                            .sha256("0123456789abcdef".repeat(4)));
        }
        if (random.nextBoolean()) {
            request.steps(1 + random.nextInt(1000)).sampling(each -> each.withSchedule(Sampling.Schedule.KARRAS));
        } else {
            request.sigmas(List.of(1f, random.nextFloat(0.5f, 1), random.nextFloat(0, 0.5f)));
        }
        if (random.nextBoolean()) {
            request.seeds(List.of(new BigInteger(64, random), random.nextLong(), random.nextInt()));
        } else {
            request.seed(new BigInteger(64, random)).count(1 + random.nextInt(1000));
        }
        return request.noiseReduction(1 << random.nextInt(4)).build();
    }

    /** Returns any UTF-16, halves of pairs and control characters among it. */
    private static String text(Random random) {
        return random.ints(random.nextInt(20), 0, 1 << 16)
                .mapToObj(unit -> String.valueOf((char) unit))
                .collect(Collectors.joining());
    }

    @Test
    void namesOfPython_andNull_areRead() {
        assertThat(GenerationRequest.fromJson(
                        "{\"prompt\": \"a\", \"negative_prompt\": \"b\", \"cfg_truncation\": 0.5, \"seed\": null}"))
                .isEqualTo(GenerationRequest.builder()
                        .prompt("a")
                        .negativePrompt("b")
                        .cfgTruncation(0.5)
                        .build());
    }

    // A server has defaults of its own, and a command draws a picture's request again but for what it was told.
    @Test
    void json_leavesTheRest() {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("a")
                .steps(4)
                .width(640)
                .json("{\"steps\": 5}")
                .build();
        assertThat(request.steps()).isEqualTo(5);
        assertThat(request.width()).isEqualTo(640);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'prompt': 1} | prompt | prompt must be a text, but was 1",
                "{'prompts': ['a', 2]} | prompts | prompts must be a list, each a text, but was [\"a\",2]",
                "{'width': 1.5} | width | width must be a whole number, but was 1.5",
                "{'width': 99999999999} | width | width must be a whole number, but was 99999999999",
                "{'prompt': 'a', 'width': 0} | width | width must be between 1 and 8192 pixels, but was 0",
                "{'prompt': 'a', 'guidance': 101} | guidance | guidance must be between 0 and 100, but was 101",
                "{'prompt': 'a', 'nagScale': 0.5} | nagScale | nagScale must be between 1 and 20, but was 0.5",
                "{'prompt': 'a', 'nag_tau': -1} | nagTau | nagTau must be between 0 and 100, but was -1",
                "{'prompt': 'a', 'nag_alpha': 1.5} | nagAlpha | nagAlpha must be between 0 and 1, but was 1.5",
                "{'prompt': 'a', 'guidance': 1, 'nagScale': 2} | nagScale | only one of guidance and nagScale can act on the"
                        + " negative prompt, but guidance was 1.0 and nagScale 2.0",
                "{'prompt': 'a', 'sampler': 'dpm'} | sampler | sampler must be one of euler, euler_ancestral, heun, dpmpp_2m,"
                        + " dpmpp_sde, res_multistep, uni_pc, lcm, but was \"dpm\"",
                "{'prompt': 'a', 'schedule': 'simple', 'shift': 0} | shift | shift must be above 0 and at most 100, but was 0",
                "{'prompt': 'a', 'schedule': 'karras', 'sigmas': [1]} | schedule |"
                        + " only one of sigmas and schedule can be given, but there were both",
                "{'prompt': 'a', 'count': 0} | count | count must be between 1 and 1000, but was 0",
                "{'seed': 18446744073709551616} | seed |"
                        + " seed must be a whole number from -2^63 to 2^64 - 1, but was 18446744073709551616",
                "{'seed': 1, 'seeds': [2]} | seed | only one of seed and seeds can be given, but there were both",
                "{'cfgTruncation': 1, 'cfg_truncation': 1} | cfgTruncation |"
                        + " cfgTruncation must be given once, but was given as cfg_truncation too",
            })
    void whatIsWrong_isNamed(String json, String field, String message) {
        assertThatExceptionOfType(InvalidRequestException.class)
                .isThrownBy(() -> GenerationRequest.fromJson(json.replace('\'', '"')))
                .withMessage(message)
                .satisfies(e -> assertThat(e.fields()).contains(field));
    }

    @Test
    void fieldThatIsNone_isNamed_besideThoseThatAre() {
        assertThat(RequestJson.names()).contains("prompt", "negativePrompt", "noiseReduction");
        assertThatExceptionOfType(InvalidRequestException.class)
                .isThrownBy(() -> GenerationRequest.fromJson("{\"prompt\": \"a\", \"latents\": []}"))
                .withMessage("a request has no field 'latents', only " + String.join(", ", RequestJson.names()))
                .satisfies(e -> assertThat(e.fields()).containsExactly("latents"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "7", "{", "{} {}", "{\"prompt\":\"a\",\"prompt\":\"b\"}", "\u0000"})
    void whatIsNoObject_isRefused(String json) {
        assertThatExceptionOfType(InvalidRequestException.class).isThrownBy(() -> GenerationRequest.fromJson(json));
    }

    // Messages end up in logs and terminals.
    @Test
    void valuesFromOutside_areCut_andHoldNoControlCharacters() {
        String json = "{\"%s\u202e\": 1}".formatted("x".repeat(10_000));
        int names = String.join(", ", RequestJson.names()).length();
        assertThatExceptionOfType(InvalidRequestException.class)
                .isThrownBy(() -> GenerationRequest.fromJson(json))
                .satisfies(e ->
                        assertThat(e.getMessage()).hasSizeLessThan(names + 100).matches("[^\\p{Cntrl}\\p{Cf}]*"));
    }
}
