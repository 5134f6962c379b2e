package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.internal.device.FakeAccelerator;
import io.github.zimage.internal.device.FakeRecorder;
import io.github.zimage.internal.lora.AdapterSize;
import io.github.zimage.placement.Device;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects what users do with LoRAs: name them, mix them, find them again in a picture, and draw without them as if they had never been there. */
@Timeout(120)
final class LoraPipelineTest {
    private static final Path MODEL = resource("/parity/case-00/model");
    private static final Path LORAS = resource("/lora-parity");
    private static final Lora PEFT = Lora.of(LORAS.resolve("peft.safetensors"));
    private static final Lora KOHYA = Lora.of(LORAS.resolve("kohya.safetensors"));
    private static final Lora TEXT = Lora.of(LORAS.resolve("text-encoder.safetensors"));

    @TempDir
    Path folder;

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(LoraPipelineTest.class.getResource(name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static PipelineBuilder builder() {
        return ZImagePipeline.builder().model(MODEL).precision(Precision.FP32);
    }

    private static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt("a red fox")
                .size(28, 20)
                .steps(2)
                .seed(5);
    }

    private static float[] draw(ZImagePipeline pipeline, Lora... loras) {
        return pipeline.generate(request().loras(List.of(loras)).build())
                .latents()
                .values();
    }

    private static double distance(float[] a, float[] b) {
        double difference = 0;
        double length = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (a[i] - b[i]) * (a[i] - b[i]);
            length += b[i] * b[i];
        }
        return Math.sqrt(difference / length);
    }

    @Test
    void removedLoras_leaveTheBaseToTheBit() {
        try (ZImagePipeline pipeline = builder().build()) {
            float[] base = draw(pipeline);
            float[] first = draw(pipeline, PEFT);
            assertThat(distance(first, base)).isGreaterThan(0.05);
            assertThat(draw(pipeline, PEFT, KOHYA.weight(0.5), TEXT)).isNotEqualTo(first);
            assertThat(draw(pipeline)).isEqualTo(base);
            assertThat(draw(pipeline, PEFT)).isEqualTo(first);
            assertThat(draw(pipeline, PEFT.weight(0))).isEqualTo(base);
            assertThat(draw(
                            pipeline,
                            PEFT.blockWeights(Map.of(
                                    "layers", 0.0,
                                    "noise_refiner", 0.0,
                                    "context_refiner", 0.0,
                                    "all_x_embedder", 0.0,
                                    "all_final_layer", 0.0,
                                    "cap_embedder", 0.0,
                                    "t_embedder", 0.0))))
                    .as("no part is left")
                    .isEqualTo(base);
            assertThat(draw(pipeline, PEFT.weight(0.5).blockWeights(Map.of("layers.0", 2.0))))
                    .isNotEqualTo(draw(pipeline, PEFT.weight(0.5)));
        }
    }

    // A LoRA at -w undoes itself at w: the sums are of what is added, not of pictures.
    @Test
    void severalLoras_areSummedUp() {
        try (ZImagePipeline pipeline = builder().build()) {
            float[] base = draw(pipeline);
            // Both halves of a sum are rounded in FP32, some 1e-7 of what they add.
            assertThat(distance(draw(pipeline, PEFT, PEFT.weight(-1)), base)).isLessThan(5e-6);
            assertThat(distance(draw(pipeline, PEFT.weight(0.3), PEFT.weight(0.7)), draw(pipeline, PEFT)))
                    .isLessThan(5e-6);
        }
    }

    // Embeddings of a prompt are remembered: not those with another LoRA.
    @Test
    void loraOfTheTextEncoder_changesEmbeddings() {
        try (ZImagePipeline pipeline = builder().build()) {
            Lora text = TEXT.blockWeights(Map.of("layers.0.attention", 0.0));
            float[] base = draw(pipeline);
            float[] changed = draw(pipeline, text);
            assertThat(distance(changed, base)).isGreaterThan(0.01);
            assertThat(draw(pipeline)).isEqualTo(base);
            assertThat(draw(pipeline, text)).isEqualTo(changed);
        }
    }

    @Test
    void picture_saysItsLoras_andIsDrawnAgainByTheirNames() throws IOException {
        Files.copy(LORAS.resolve("peft.safetensors"), folder.resolve("mine.safetensors"));
        Path png = folder.resolve("picture.png");
        GeneratedImage drawn;
        try (ZImagePipeline pipeline = builder().build()) {
            Lora mine = Lora.of(folder.resolve("mine.safetensors")).weight(0.8).blockWeights(Map.of("layers.0", 0.5));
            drawn = pipeline.generate(request().lora(mine).build());
            drawn.save(png);
        }
        GenerationRequest read = ImageParameters.read(png).orElseThrow().request();
        assertThat(read.loras()).singleElement().satisfies(each -> {
            assertThat(each.name()).isEqualTo("mine");
            assertThat(each.file()).as("no path").isNull();
            assertThat(each.weight()).isEqualTo(0.8);
            assertThat(each.blockWeights()).containsEntry("layers.0", 0.5);
            assertThat(each.sha256()).hasSize(64);
        });
        assertThat(ImageParameters.readText(png).orElseThrow()).contains("<lora:mine:0.8>");
        assertThat(GenerationRequest.fromJson(read.toJson())).isEqualTo(read);
        try (ZImagePipeline pipeline = builder().loraFolder(folder).build()) {
            assertThat(pipeline.generate(read).latents().values())
                    .isEqualTo(drawn.latents().values());
            Files.copy(
                    LORAS.resolve("kohya.safetensors"),
                    folder.resolve("mine.safetensors"),
                    java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            assertThatThrownBy(() -> pipeline.generate(read))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("SHA-256");
            assertThatThrownBy(() ->
                            pipeline.check(request().lora(Lora.named("yours")).build()))
                    .hasMessageContaining("no LoRA \"yours\", but mine");
        }
        try (ZImagePipeline pipeline = builder().build()) {
            assertThatThrownBy(() -> pipeline.generate(read)).hasMessageContaining("no folder of LoRAs");
        }
    }

    @Test
    void theBuildersLoras_areForRequestsThatNameNone() {
        float[] expected;
        float[] base;
        try (ZImagePipeline pipeline = builder().build()) {
            expected = draw(pipeline, PEFT.weight(0.5));
            base = draw(pipeline);
        }
        try (ZImagePipeline pipeline = builder().lora(PEFT.weight(0.5)).build()) {
            GeneratedImage image = pipeline.generate(request().build());
            assertThat(image.latents().values()).isEqualTo(expected);
            assertThat(image.parameters().request().loras()).hasSize(1);
            assertThat(draw(pipeline)).as("none is none").isEqualTo(base);
        }
    }

    // One step is linear in the velocities, so that it can be put together from steps without guidance.
    @Test
    void guidance_adaptsOnlyWhatTheLoraIsFor() {
        try (ZImagePipeline pipeline = builder().build()) {
            GenerationRequest.Builder positive = request().steps(1);
            GenerationRequest.Builder negative = request().steps(1).prompt("blurry");
            GenerationRequest.Builder guided = request().steps(1).guidance(2).negativePrompt("blurry");
            for (Lora lora : List.of(PEFT, TEXT)) {
                float[] plus = latents(pipeline, positive.loras(List.of(lora)));
                float[] plusBase = latents(pipeline, positive.loras(List.of()));
                float[] minus = latents(pipeline, negative.loras(List.of(lora)));
                float[] minusBase = latents(pipeline, negative.loras(List.of()));
                // Guidance triples the errors of what it is put together from, some 1e-6 each.
                requireGuided(guided, pipeline, lora.prompts(Lora.Prompts.POSITIVE), plus, minusBase);
                requireGuided(guided, pipeline, lora.prompts(Lora.Prompts.NEGATIVE), plusBase, minus);
                requireGuided(guided, pipeline, lora, plus, minus);
            }
            assertThat(latents(pipeline, positive.loras(List.of(PEFT.prompts(Lora.Prompts.NEGATIVE)))))
                    .as("without guidance nothing is negative")
                    .isEqualTo(latents(pipeline, positive.loras(List.of())));
        }
    }

    private static float[] latents(ZImagePipeline pipeline, GenerationRequest.Builder request) {
        return pipeline.generate(request.build()).latents().values();
    }

    private static void requireGuided(
            GenerationRequest.Builder guided, ZImagePipeline pipeline, Lora lora, float[] plus, float[] minus) {
        float[] expected = new float[plus.length];
        for (int i = 0; i < plus.length; i++) {
            expected[i] = plus[i] + 2 * (plus[i] - minus[i]);
        }
        // Guidance multiplies what FP32 rounds, some 1e-6 behind all blocks, by up to five.
        assertThat(distance(latents(pipeline, guided.loras(List.of(lora))), expected))
                .as("%s for %s", lora, lora.prompts())
                .isCloseTo(0, within(5e-5));
    }

    @Test
    void recordedAndOnSeveralDevices_picturesAreTheSame() throws Exception {
        List<List<Lora>> all =
                List.of(List.of(), List.of(PEFT), List.of(KOHYA, PEFT.weight(-0.4)), List.of(), List.of(PEFT));
        FakeRecorder recorder = new FakeRecorder();
        try (AutoCloseable installed = FakeAccelerator.install(folder.resolve("services"), 2)) {
            List<float[]> expected = new ArrayList<>();
            try (ZImagePipeline pipeline = builder().build()) {
                all.forEach(loras ->
                        expected.add(latents(pipeline, request().steps(4).loras(loras))));
            }
            FakeAccelerator.recorder = () -> recorder;
            try (ZImagePipeline pipeline = builder().compileTransformer(true).build()) {
                for (int i = 0; i < all.size(); i++) {
                    float[] drawn = latents(pipeline, request().steps(4).loras(all.get(i)));
                    assertThat(drawn).as("with %s", all.get(i)).isEqualTo(expected.get(i));
                }
            }
            FakeAccelerator.recorder = FakeRecorder::new;
            try (ZImagePipeline pipeline =
                    builder().devices(List.of(Device.cuda(0), Device.cuda(1))).build()) {
                List<GeneratedImage> images = pipeline.generateAll(
                        request().steps(4).count(2).loras(all.get(2)).build());
                assertThat(images.get(0).latents().values()).isEqualTo(expected.get(2));
            }
        }
        assertThat(recorder.recordings.get()).as("recorded").isGreaterThan(2);
        assertThat(recorder.open).as("closed with what they read").hasValue(0);
    }

    @Test
    void unfitLoras_areRefusedWithTheReason() {
        try (ZImagePipeline pipeline = builder().build()) {
            assertThatThrownBy(() -> draw(pipeline, Lora.of(LORAS.resolve("truth.safetensors"))))
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("holds no LoRA");
            assertThatThrownBy(() -> draw(pipeline, Lora.of(folder.resolve("none.safetensors"))))
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("missing");
            Lora partly = Lora.of(LORAS.resolve("fused-and-split.safetensors"));
            assertThatThrownBy(() -> draw(pipeline, partly.strict()))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("applied wholly");
            assertThat(partly.report().skipped()).isNotEmpty();
            draw(pipeline, partly);
        }
        assertThatThrownBy(() -> builder().lora(Lora.named("x")).build()).hasMessageContaining("no folder of LoRAs");
        for (String path : List.of("../x", "a/b", "a\\b", "", " ", ".x", "a\u0000b")) {
            assertThatThrownBy(() -> Lora.named(path)).as(path).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> PEFT.weight(Double.NaN)).hasMessageContaining("NaN");
        assertThatThrownBy(() -> GenerationRequest.fromJson("{\"prompt\":\"a\",\"loras\":[{\"name\":\"../x\"}]}"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("loras must be a list");
    }

    @Test
    void thePlan_countsThem() {
        GenerationRequest plain = request().build();
        GenerationRequest adapted = request().lora(PEFT).build();
        try (ZImageModel model = ZImageModel.open(MODEL)) {
            assertThat(model.plan(adapted).peaks().highest())
                    .isGreaterThan(model.plan(plain).peaks().highest());
        }
    }

    // Ranks are filled up to 16, and a fused first factor is there for each of queries, keys and values.
    @Test
    void whatIsKept_isCountedByTheHeader() throws IOException {
        assertThat(AdapterSize.numbers(null)).isZero();
        assertThat(AdapterSize.numbers(folder.resolve("absent.safetensors"))).isZero();
        assertThat(AdapterSize.numbers(Files.writeString(folder.resolve("unsound.safetensors"), "unsound")))
                .isZero();
        // Layer 0 has queries, keys and values of 32 rows each, of one rank of 2.
        assertThat(AdapterSize.numbers(LORAS.resolve("fused-block-diagonal.safetensors")))
                .isEqualTo(16 * (3 * 32 + 3 * 32) + 1);
        // Two matrices [32, 32] of each of four layers and the like, of rank 2 * 2.
        assertThat(AdapterSize.numbers(LORAS.resolve("loha.safetensors"))).isGreaterThan(4L * 16 * 2 * (32 + 32));
    }

    @Test
    void swapping_leavesNothingBehind() {
        try (ZImagePipeline pipeline = builder().build()) {
            List<Lora> all = List.of(PEFT, KOHYA, TEXT, Lora.of(LORAS.resolve("dora-kohya.safetensors")));
            all.forEach(each -> draw(pipeline, each));
            draw(pipeline);
            long objects = Pointer.totalCount();
            for (int round = 0; round < 3; round++) {
                all.forEach(each -> draw(pipeline, each.weight(0.9), KOHYA));
            }
            draw(pipeline);
            assertThat(Pointer.totalCount()).isEqualTo(objects);
        }
    }
}
