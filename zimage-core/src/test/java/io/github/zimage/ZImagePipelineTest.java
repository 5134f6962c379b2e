package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a pipeline promises about its pictures. Life and threads are in {@link PipelineLifeTest}. */
@Timeout(60)
final class ZImagePipelineTest {
    /** One word and many: their padded lengths differ, and so do the shapes of everything that hangs on them. */
    private static final List<String> PROMPTS =
            List.of("", "狐", "a red fox in the snow, looking at the moon over a frozen lake between two hills");

    @TempDir
    static Path folder;

    private static ZImagePipeline pipeline;

    @BeforeAll
    static void open() {
        pipeline =
                TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build();
    }

    // What is kept for schedules is no leak.
    @AfterEach
    void trim() {
        pipeline.trim();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    // A picture must not depend on what is drawn beside it.
    @Test
    void batch_givesWhatSinglesGive() {
        GenerationRequest together = TinyModel.request()
                .prompts(PROMPTS)
                .count(2)
                .guidance(3)
                .negativePrompt("blurry")
                .cfgNormalization(0.9)
                .build();
        List<GeneratedImage> images = pipeline.generateAll(together);
        assertThat(images).hasSize(6);
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage single = pipeline.generate(together.toBuilder()
                    .prompt(PROMPTS.get(i / 2))
                    .count(1)
                    .seed(7 + i)
                    .build());
            assertSame(images.get(i), single);
            assertThat(images.get(i).parameters()).isEqualTo(single.parameters());
        }
    }

    // What is reported must be what redraws the picture.
    @Test
    void parameters_redrawThePicture() {
        GeneratedImage image = pipeline.generateAll(TinyModel.request()
                        .prompts(PROMPTS)
                        .guidance(2)
                        .cfgTruncation(0.4)
                        .build())
                .get(2);
        ImageParameters parameters = Objects.requireNonNull(image.parameters());
        assertThat(parameters.prompt()).isEqualTo(PROMPTS.get(2));
        assertThat(image.seed()).isEqualTo(9);
        assertSame(pipeline.generate(parameters.request()), image);
        Path png = folder.resolve("fox.png");
        image.save(png);
        assertThat(ImageParameters.read(png)).contains(parameters);
        assertSame(pipeline.generate(ImageParameters.read(png).orElseThrow().request()), image);
    }

    // What is counted beforehand must be what the limit is compared with; a linter may pass any text.
    @Test
    void countTokens_isWhatTheLimitCounts() {
        String prompt = "a red fox in the snow, looking at the moon over a frozen lake";
        try (ZImageModel model = ZImageModel.open(TinyModel.write(folder))) {
            int tokens = model.countTokens(prompt);
            GenerationRequest request = TinyModel.request().prompt(prompt).build();
            model.pipeline().maxPromptTokens(tokens).check(request);
            PipelineBuilder tight = model.pipeline().maxPromptTokens(tokens - 1);
            assertThatIllegalArgumentException().isThrownBy(() -> tight.check(request));
            assertThat(model.countTokens(prompt)).isEqualTo(tokens);
            assertThat(model.countTokens("\ud800 \u0000")).isGreaterThan(8);
        }
    }

    @Test
    void seed_decidesThePicture() {
        GenerationRequest request = TinyModel.request().build();
        GeneratedImage image = pipeline.generate(request);
        assertSame(pipeline.generate(request), image);
        assertDiffers(pipeline.generate(request.toBuilder().seed(8).build()), image);
        assertThat(image.width()).isEqualTo(64);
        assertThat(image.height()).isEqualTo(48);
        assertThat(image.rgb()).hasSize(64 * 48 * 3);
    }

    @Test
    void withoutSeed_eachGenerationHasOneOfItsOwn() {
        GenerationRequest request =
                GenerationRequest.builder().prompt("fox").size(16, 16).steps(1).build();
        GeneratedImage first = pipeline.generate(request);
        GeneratedImage second = pipeline.generate(request);
        assertThat(first.seed()).isNotNull().isNotEqualTo(second.seed());
        assertSame(
                pipeline.generate(request.toBuilder()
                        .seed(Objects.requireNonNull(first.seed()))
                        .build()),
                first);
    }

    // Each of these must reach the model: an option that changes nothing is a lie.
    @Test
    void everyParameter_changesThePicture() {
        GenerationRequest request = TinyModel.request().steps(3).build();
        GenerationRequest guided = request.toBuilder().guidance(4).build();
        GeneratedImage plain = pipeline.generate(request);
        GeneratedImage withGuidance = pipeline.generate(guided);
        assertDiffers(
                pipeline.generate(request.toBuilder().prompt("a blue bird").build()), plain);
        assertDiffers(pipeline.generate(request.toBuilder().steps(4).build()), plain);
        assertDiffers(
                pipeline.generate(
                        request.toBuilder().sigmas(List.of(1f, 0.6f, 0.3f)).build()),
                plain);
        assertDiffers(withGuidance, plain);
        assertDiffers(
                pipeline.generate(guided.toBuilder().negativePrompt("snow").build()), withGuidance);
        assertDiffers(pipeline.generate(guided.toBuilder().cfgNormalization(0.5).build()), withGuidance);
        assertDiffers(pipeline.generate(guided.toBuilder().cfgTruncation(0.1).build()), withGuidance);
    }

    @Test
    void guidance_thatIsOffInEveryStep_isNoGuidance() {
        GenerationRequest request = TinyModel.request().build();
        GeneratedImage plain = pipeline.generate(request);
        assertSame(pipeline.generate(request.toBuilder().negativePrompt("snow").build()), plain);
        // The first step's time is 0, which is not after 0.
        GenerationRequest lastStepsOff =
                request.toBuilder().guidance(4).cfgTruncation(0).build();
        assertDiffers(pipeline.generate(lastStepsOff), plain);
    }

    @Test
    void emptyNegativePrompt_isTheDefault() {
        GenerationRequest request = TinyModel.request().guidance(4).build();
        assertSame(pipeline.generate(request.toBuilder().negativePrompt("").build()), pipeline.generate(request));
    }

    @Test
    void embeddings_standForTheirPrompt() {
        List<PromptEmbeddings> embeddings =
                PROMPTS.stream().map(pipeline::encode).toList();
        // Through the heap of the caller, as if kept in a file meanwhile.
        List<PromptEmbeddings> copies = embeddings.stream()
                .map(e -> PromptEmbeddings.of(e.tokens(), e.features(), e.values()))
                .toList();
        GenerationRequest byPrompt = TinyModel.request()
                .prompts(PROMPTS)
                .guidance(2)
                .negativePrompt("blurry")
                .build();
        GenerationRequest byEmbeddings = TinyModel.request()
                .prompts(List.of())
                .promptEmbeddings(copies)
                .guidance(2)
                .negativeEmbeddings(pipeline.encode("blurry"))
                .build();
        assertAllSame(pipeline.generateAll(byEmbeddings), pipeline.generateAll(byPrompt));
    }

    @Test
    void latents_standForTheirSeed() {
        GenerationRequest bySeed = TinyModel.request().count(2).build();
        GenerationRequest byLatents = bySeed.toBuilder()
                .latents(List.of(noise(7, 16, 6, 8), noise(8, 16, 6, 8)))
                .build();
        List<GeneratedImage> images = pipeline.generateAll(byLatents);
        assertAllSame(images, pipeline.generateAll(bySeed));
        assertThat(images.get(0).seed()).isNull();
    }

    @Test
    void customLevels_thatAreTheDefault_changeNothing() {
        GenerationRequest request = TinyModel.request().steps(4).build();
        GenerationRequest custom = GenerationRequest.builder()
                .prompt(request.prompts().get(0))
                .size(64, 48)
                .seed(7)
                .sigmas(List.of(1f, 0.75f, 0.5f, 0.25f))
                .build();
        assertSame(pipeline.generate(custom), pipeline.generate(request));
    }

    // All compute the same function. Each rounds in its own order: about 1e-7 of relative error an operation, and more
    // after some
    // layers; a wrong scale, mask or head order would be off by a thousand times this.
    @ParameterizedTest
    @ValueSource(strings = {"sdpa", "flash", "math", "auto"})
    void everyAttentionBackend_drawsTheSamePicture(String name) {
        GenerationRequest request =
                TinyModel.request().size(80, 112).steps(3).guidance(2).build();
        GeneratedImage expected = pipeline.generate(request);
        try (ZImagePipeline other =
                TinyModel.pipeline(folder).attention(new AttentionBackend(name)).build()) {
            if (!name.equals("auto")) {
                assertThat(other.attentionBackend()).isEqualTo(name);
            }
            GeneratedImage image = other.generate(request);
            // FP32 sums in another order: some 1e-7 each, which three guided steps carry on.
            assertThat(relativeError(latents(image), latents(expected))).isLessThan(1e-5);
            byte[] rgb = image.rgb();
            byte[] expectedRgb = expected.rgb();
            for (int i = 0; i < rgb.length; i++) {
                assertThat(Math.abs((rgb[i] & 0xff) - (expectedRgb[i] & 0xff))).isLessThanOrEqualTo(1);
            }
        }
    }

    @Test
    void unknownAttentionBackend_isRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TinyModel.pipeline(folder)
                        .attention(new AttentionBackend("warp"))
                        .build())
                .withMessage("attention must be one of auto, blockwise, sdpa, flash, math, but was warp");
    }

    // BF16 keeps 8 bits: the picture must be near the FP32 one, and must not be the FP32 one.
    @Test
    void bf16_isNearFp32() {
        GenerationRequest request = TinyModel.request().steps(4).build();
        float[] expected = latents(pipeline.generate(request));
        try (ZImagePipeline bf16 = ZImagePipeline.builder()
                .model(TinyModel.write(folder))
                .precision(Component.VAE, Precision.FP32)
                .build()) {
            GeneratedImage image = bf16.generate(request);
            assertThat(relativeError(latents(image), expected)).isBetween(1e-6, 0.03);
            assertThat(Objects.requireNonNull(image.parameters()).precision()).isEqualTo(Precision.BF16);
            assertThat(image.parameters().vaePrecision()).isEqualTo(Precision.FP32);
        }
    }

    @Test
    void requestThatDoesNotSuitTheModel_isRefusedNamingAllThatIsWrong() {
        GenerationRequest request = TinyModel.request()
                .size(1000, 8)
                .negativeEmbeddings(PromptEmbeddings.of(1, 3, new float[3]))
                .latents(List.of(Latents.of(4, 2, 2, new float[16])))
                .build();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pipeline.generate(request))
                .withMessage("width must be a multiple of 16, but was 1000 (nearest: 992 or 1008);"
                        + " height must be a multiple of 16, but was 8 (nearest: 16);"
                        + " latents must have shape [16, 1, 125], but had [4, 2, 2];"
                        + " embeddings must have 64 features, but had 3");
        // At once, and not through the future.
        assertThatIllegalArgumentException().isThrownBy(() -> pipeline.generateAsync(request));
    }

    @Test
    void requestForSeveral_isRefusedByGenerate() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pipeline.generate(TinyModel.request().count(2).build()))
                .withMessage("generate draws one picture, but the request is for 2: call generateAll");
    }

    @Test
    void promptOverTheLimit_isRefusedWithItsLength_orCutOffIfAskedFor() {
        String prompt = "x".repeat(40);
        int tokens = pipeline.encode(prompt).tokens();
        try (ZImagePipeline strict =
                TinyModel.pipeline(folder).maxPromptTokens(tokens - 1).build()) {
            String message = "prompt must have at most %d tokens, but has %d".formatted(tokens - 1, tokens);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> strict.encode(prompt))
                    .withMessageContaining(message);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> strict.generateAsync(
                            TinyModel.request().prompt(prompt).build()))
                    .withMessageContaining(message);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> strict.generateAsync(TinyModel.request()
                            .guidance(1)
                            .negativePrompt(prompt)
                            .build()))
                    .withMessageContaining(message.replace("prompt", "negativePrompt"));
        }
        try (ZImagePipeline exact =
                TinyModel.pipeline(folder).maxPromptTokens(tokens).build()) {
            assertThat(exact.encode(prompt).tokens()).isEqualTo(tokens);
        }
        try (ZImagePipeline cutting = TinyModel.pipeline(folder)
                .maxPromptTokens(tokens - 5)
                .truncatePrompts(true)
                .attention(AttentionBackend.BLOCKWISE)
                .build()) {
            PromptEmbeddings cut = cutting.encode(prompt);
            assertThat(cut.tokens()).isEqualTo(tokens - 5);
            // Attention is causal: what was cut off never told on what came before, but for FP32 sums of another
            // length.
            float[] whole = pipeline.encode(prompt).values();
            float[] head = Arrays.copyOf(whole, cut.values().length);
            assertThat(relativeError(cut.values(), head)).isLessThan(1e-5);
        }
    }

    @Test
    void builder_refusesWhatCannotBe() {
        assertThatIllegalStateException()
                .isThrownBy(() -> ZImagePipeline.builder().build())
                .withMessage("model must be set to the checkpoint's folder or file, but was not");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ZImagePipeline.builder().maxPromptTokens(15))
                .withMessage("maxPromptTokens must be between 16 and 4096, but was 15");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ZImagePipeline.builder().maxPromptTokens(4097));
        assertThatNullPointerException().isThrownBy(() -> pipeline.encode(null));
        assertThatThrownBy(() -> ZImagePipeline.builder()
                        .model(folder.resolve("missing"))
                        .build())
                .isInstanceOf(ModelLoadException.class);
    }

    @Test
    void listener_hearsEverythingInOrder() {
        List<String> heard = new ArrayList<>();
        List<GeneratedImage> images =
                pipeline.generateAll(TinyModel.request().steps(3).count(2).build(), new GenerationListener() {
                    @Override
                    public void onEncode(Duration elapsed) {
                        heard.add("encode");
                    }

                    @Override
                    public void onStep(int step, int steps, Duration elapsed) {
                        heard.add("step %d of %d".formatted(step, steps));
                    }

                    @Override
                    public void onDecode(int index, int count, Duration elapsed) {
                        heard.add("decode %d of %d".formatted(index, count));
                    }

                    @Override
                    public void onDone(List<GeneratedImage> done) {
                        heard.add("done " + done.size());
                    }
                });
        assertThat(heard)
                .containsExactly(
                        "encode",
                        "step 1 of 3",
                        "step 2 of 3",
                        "step 3 of 3",
                        "decode 1 of 2",
                        "decode 2 of 2",
                        "done 2");
        assertThat(images)
                .allSatisfy(image -> assertThat(image.timings().steps()).hasSize(3));
    }

    @Test
    void loading_isHeardToItsEnd() {
        List<String> finished = new ArrayList<>();
        List<Long> done = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                assertThat(bytesDone).isBetween(1L, bytesTotal);
                if (bytesDone == bytesTotal) {
                    finished.add(component.folder());
                }
                done.add(bytesDone);
            }
        };
        TinyModel.pipeline(folder).listener(listener).build().close();
        assertThat(finished).containsExactly("text_encoder", "transformer", "vae");
        assertThat(done).hasSizeGreaterThan(100);
    }

    @Test
    void exceptionOfAListener_reachesTheCaller_andHarmsNobodyElse() {
        GenerationRequest request = TinyModel.request().build();
        GeneratedImage expected = pipeline.generate(request);
        IllegalStateException thrown = new IllegalStateException("enough");
        AssertionError error = new AssertionError("enough");
        assertThatThrownBy(() -> pipeline.generateAll(request, throwingAtStep(1, thrown)))
                .isSameAs(thrown);
        assertThatThrownBy(() -> pipeline.generateAll(request, throwingAtStep(2, error)))
                .isSameAs(error);
        CompletableFuture<List<GeneratedImage>> future = pipeline.generateAsync(request, throwingAtStep(1, thrown));
        assertThat(future)
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableThat()
                .withCause(thrown);
        assertSame(pipeline.generate(request), expected);
    }

    private static GenerationListener throwingAtStep(int step, Throwable thrown) {
        return new GenerationListener() {
            @Override
            public void onStep(int done, int steps, Duration elapsed) {
                if (done == step) {
                    if (thrown instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) thrown;
                }
            }
        };
    }

    static Latents noise(long seed, int channels, int height, int width) {
        try (PointerScope scope = new PointerScope()) {
            Tensor noise = torch.randn(
                    new long[] {channels, height, width},
                    new GeneratorOptional(torch.make_generator_cpu(seed)),
                    new TensorOptions(ScalarType.Float));
            float[] values = new float[channels * height * width];
            new FloatPointer(noise.data_ptr()).get(values);
            return Latents.of(channels, height, width, values);
        }
    }

    private static double relativeError(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double error = 0;
        double length = 0;
        for (int i = 0; i < actual.length; i++) {
            error += Math.pow((double) actual[i] - expected[i], 2);
            length += Math.pow(expected[i], 2);
        }
        return Math.sqrt(error / length);
    }

    private static float[] latents(GeneratedImage image) {
        return image.latents().values();
    }

    private static void assertAllSame(List<GeneratedImage> actual, List<GeneratedImage> expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.size(); i++) {
            assertSame(actual.get(i), expected.get(i));
        }
    }

    private static void assertSame(GeneratedImage actual, GeneratedImage expected) {
        assertThat(latents(actual)).isEqualTo(latents(expected));
        assertThat(actual.rgb()).isEqualTo(expected.rgb());
    }

    private static void assertDiffers(GeneratedImage actual, GeneratedImage expected) {
        assertThat(latents(actual)).isNotEqualTo(latents(expected));
    }
}
