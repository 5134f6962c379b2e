package io.github.zimage.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImageModel;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.placement.MemoryPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that a profile says what was found, to the model it was found for only, and that no damaged one is taken. */
class ProfileTest {
    private static final String SOUND = """
            {"zimageProfile": 1, "model": "0123456789abcdef0123456789abcdef", "attention": "math",
             "precision": {"text_encoder": "bf16", "transformer": "fp32", "vae": "bf16"}}""";

    @TempDir
    static Path models;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeModel() {
        SyntheticModel.write(models.resolve("tiny"), SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
    }

    private static String modelKey(Path model) {
        try (ZImageModel open = ZImageModel.open(model)) {
            return open.profileKey();
        }
    }

    private static Profile profile(String modelKey) {
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            precisions.put(component, component.equals(Component.VAE) ? Precision.BF16 : Precision.FP32);
        }
        return new Profile(modelKey, precisions, AttentionBackend.MATH);
    }

    private Path file(String json) throws IOException {
        return Files.writeString(folder.resolve("profile.json"), json);
    }

    @Test
    void profile_comesBackAsItWasWritten() {
        Profile profile = profile(modelKey(models.resolve("tiny")));
        Path file = folder.resolve("profile.json");
        profile.write(file);
        assertThat(Profile.read(file)).isEqualTo(profile);
    }

    @Test
    void stepCacheOfAProfile_isThatOfRequestsThatNameNoneAndCanHaveIt() throws IOException {
        Path model = models.resolve("tiny");
        Profile written = new Profile(modelKey(model), Map.of(), AttentionBackend.MATH, StepCache.mask("medium"));
        Path file = folder.resolve("profile.json");
        written.write(file);
        assertThat(Profile.read(file)).isEqualTo(written);
        GenerationRequest.Builder request =
                GenerationRequest.builder().prompt("a").size(32, 32).steps(28).seed(1);
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().profile(file).model(model).build()) {
            GeneratedImage cached = pipeline.generate(request.build());
            assertThat(cached.timings().forwards()).isEqualTo(16);
            assertThat(cached.parameters().request().sampling().stepCache()).isEqualTo(StepCache.mask("medium"));
            assertThat(pipeline.generate(cached.parameters().request()).rgb()).isEqualTo(cached.rgb());
            for (GenerationRequest without : List.of(
                    request.sampling(s -> s.withStepCache(StepCache.OFF)).build(),
                    request.sampling(Sampling.of(Sampling.Sampler.LCM)).build(),
                    request.sampling(Sampling.DEFAULT).steps(8).build())) {
                assertThat(pipeline.generate(without).timings().forwards()).isEqualTo(without.steps());
            }
        }
        Files.writeString(file, Files.readString(file).replace("mask=medium", "mask=quick"));
        assertThatThrownBy(() -> Profile.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("stepCache must be a step cache, such as mask=medium");
    }

    // A model with more components needs no new profile, nor one with fewer.
    @Test
    void profile_namesOnlyWhatItChanges() throws IOException {
        Path model = models.resolve("tiny");
        Profile written =
                new Profile(modelKey(model), Map.of(Component.TRANSFORMER, Precision.FP32), AttentionBackend.MATH);
        Path file = folder.resolve("profile.json");
        written.write(file);
        assertThat(Profile.read(file)).isEqualTo(written);
        assertThat(Files.readString(file)).doesNotContain("vae");
        MemoryPlan plan = ZImagePipeline.builder().model(model).profile(file).plan();
        assertThat(plan.parts())
                .extracting(MemoryPlan.Part::component, MemoryPlan.Part::precision)
                .containsExactly(
                        tuple(Component.TEXT_ENCODER, Precision.BF16),
                        tuple(Component.TRANSFORMER, Precision.FP32),
                        tuple(Component.VAE, Precision.BF16));
    }

    @Test
    void pipeline_takesTheProfilesSettings_andThoseThatAreSetAfterwards() {
        Path model = models.resolve("tiny");
        Path file = folder.resolve("profile.json");
        profile(modelKey(model)).write(file);
        GenerationRequest request =
                GenerationRequest.builder().prompt("a").size(32, 32).steps(1).build();
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().profile(file).model(model).build()) {
            ImageParameters parameters = pipeline.generate(request).parameters();
            assertThat(pipeline.attentionBackend()).isEqualTo("math");
            assertThat(parameters.precision()).isEqualTo(Precision.FP32);
            assertThat(parameters.vaePrecision()).isEqualTo(Precision.BF16);
        }
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .profile(file)
                .model(model)
                .precision(Component.TRANSFORMER, Precision.BF16)
                .attention(AttentionBackend.SDPA)
                .build()) {
            assertThat(pipeline.attentionBackend()).isEqualTo("sdpa");
            assertThat(pipeline.generate(request).parameters().precision()).isEqualTo(Precision.BF16);
        }
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .precision(Component.VAE, Precision.FP32)
                .profile(file)
                .model(model)
                .precision(Precision.BF16)
                .build()) {
            ImageParameters parameters = pipeline.generate(request).parameters();
            assertThat(parameters.precision()).isEqualTo(Precision.BF16);
            assertThat(parameters.vaePrecision()).isEqualTo(Precision.BF16);
        }
    }

    @Test
    void profileOfAnotherModel_isRefusedBeforeAnythingIsLoaded() {
        GenerationRequest request = GenerationRequest.builder().prompt("a").build();
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(models.resolve("tiny"))
                .profile(profile("0123456789abcdef0123456789abcdef"));
        assertThatThrownBy(() -> builder.check(request))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("made for another model")
                .hasMessageContaining("0123456789abcdef0123456789abcdef");
        assertThatThrownBy(builder::build).hasMessageContaining("made for another model");
    }

    // Weights stored in another format, or other numbers in them, change nothing about what is the fastest.
    @Test
    void modelKey_standsForNamesAndShapes() {
        Path other = folder.resolve("other");
        SyntheticModel.write(other, SyntheticModel.Size.TINY, Precision.FP32, 2, bytes -> {});
        assertThat(modelKey(other)).isEqualTo(modelKey(models.resolve("tiny")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"math\"                       | \"\"        | attention must be the name of an attention backend, but was",
                "\"math\"                       | 7           | attention must be a text, but was 7",
                "\"attention\"                  | \"atention\" | atention is not a setting; those are attention, model, precision, stepCache, zimageProfile",
                "\"fp32\"                       | \"fp4\"     | precision.transformer must be one of",
                "\"vae\": \"bf16\"              | \"vae\": \"int8\" | precision.vae must be one of bf16, fp32, but was",
                "\"vae\"                        | \"vea\"     | precision.vea is not a setting; those are text_encoder, transformer, vae",
                "\"zimageProfile\": 1           | \"zimageProfile\": 2 | zimageProfile must be an integer from 1 to 1, but was 2",
                "\"zimageProfile\": 1,          | ``          | zimageProfile must be there",
                "0123456789abcdef0123456789abcdef | ../x      | model must be 32 hexadecimal digits, but was",
                "\"attention\": \"math\"        | \"attention\": \"math\", \"attention\": \"sdpa\" | not sound JSON",
                "{\"text_encoder\": \"bf16\", \"transformer\": \"fp32\", \"vae\": \"bf16\"} | [] | precision must be an object",
            })
    void changedProfile_isRefusedByName(String part, String replacement, String message) throws IOException {
        assertThat(SOUND).contains(part);
        assertThat(Profile.read(file(SOUND)).attention()).isEqualTo(AttentionBackend.MATH);
        Path file = file(SOUND.replace(part, replacement));
        assertThatThrownBy(() -> Profile.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("profile.json")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "1e999", "{", "\u0000", "{\"zimageProfile\": 1e400}"})
    void whatIsNoProfile_isRefused(String json) throws IOException {
        Path file = file(json);
        assertThatThrownBy(() -> Profile.read(file)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void deepOrLargeOrMissingFile_isRefused() throws IOException {
        Path deep = file("{\"precision\":" + "[".repeat(100_000));
        assertThatThrownBy(() -> Profile.read(deep)).isInstanceOf(IllegalArgumentException.class);
        Path large = file("{\"model\":\"" + "x".repeat(2_000_000) + "\"}");
        assertThatThrownBy(() -> Profile.read(large)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Profile.read(folder.resolve("missing.json")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("missing.json");
    }
}
