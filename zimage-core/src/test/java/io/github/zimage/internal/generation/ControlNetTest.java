package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Nag;
import io.github.zimage.Precision;
import io.github.zimage.SourceImage;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.conversion.WeightCache;
import io.github.zimage.internal.device.FakeAccelerator;
import io.github.zimage.internal.device.FakeRecorder;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Hardware;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.ControlNetFile;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.VaeTiling;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that a ControlNet draws the same wherever its weights are and whether its work is replayed, only in the steps in which it has a scale, for
 * each picture by itself, and together with what else a request can have. What it draws, {@code ControlParityTest} compares with diffusers.
 */
final class ControlNetTest {
    private static final int WIDTH = 80;
    private static final int HEIGHT = 48;
    private static final int STEPS = 4;

    /** In FP32, the order of two sums makes a difference of some last bits, which four steps of random weights make larger. */
    private static final double ROUNDING = 2e-5;

    private static Checkpoint base;

    @TempDir
    Path folder;

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(ControlNetTest.class.getResource("/control-parity/" + name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @BeforeAll
    static void open() {
        NativeRuntime.load();
        base = Checkpoint.open(resource("model"), null);
    }

    private static Checkpoint with(String variant) {
        return base.withControlNet(ControlNetFile.open(resource(variant + ".safetensors")));
    }

    private static SourceImage picture(long seed) {
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        Random random = new Random(seed);
        for (int y = 0; y < HEIGHT; y += 8) {
            for (int x = 0; x < WIDTH; x += 8) {
                int colour = random.nextInt(1 << 24);
                for (int i = 0; i < 64; i++) {
                    image.setRGB(x + i % 8, y + i / 8, colour);
                }
            }
        }
        return SourceImage.of(image);
    }

    private static SourceImage leftHalf() {
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < WIDTH / 2 * HEIGHT; i++) {
            image.setRGB(i % (WIDTH / 2), i / (WIDTH / 2), 0xffffff);
        }
        return SourceImage.of(image);
    }

    private static ControlImage control() {
        return ControlImage.of(picture(3)).type(ControlImage.Type.NONE).scale(0.8);
    }

    private static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt("a red fox")
                .size(WIDTH, HEIGHT)
                .steps(STEPS)
                .seed(7);
    }

    private static EngineOptions options(Precision precision, Map<Component, Residence> residences) {
        Map<Component, Precision> precisions = new HashMap<>();
        Component.values().forEach(each -> precisions.put(each, precision));
        return new EngineOptions(precisions, AttentionBackend.BLOCKWISE, VaeTiling.auto(), residences);
    }

    private static List<float[]> draw(
            Checkpoint checkpoint,
            Precision precision,
            Map<Component, Residence> residences,
            GenerationRequest request) {
        return draw(checkpoint, options(precision, residences), request);
    }

    private static List<float[]> draw(Checkpoint checkpoint, EngineOptions options, GenerationRequest request) {
        try (PointerScope scope = new PointerScope();
                TestEngine engine = new TestEngine(checkpoint, options, new GenerationListener() {})) {
            return values(engine.generate(engine.order(request, 7)));
        }
    }

    private static List<float[]> draw(Checkpoint checkpoint, GenerationRequest.Builder request) {
        return draw(checkpoint, Precision.FP32, Map.of(), request.build());
    }

    private static List<float[]> values(List<DrawnImage> drawn) {
        return drawn.stream().map(each -> each.latents().values()).toList();
    }

    private static void requireFar(float[] actual, float[] other, String what) {
        SeamModel.requireFar(actual, TransformerProbe.doubles(other), 100 * ROUNDING, what);
    }

    @ParameterizedTest
    @CsvSource({
        "union-1.0, FP32, false", "union-2.0, FP32, true", "union-2.1, FP32, true", "lite-2.1, FP32, false",
        "union-1.0, BF16, false", "union-2.0, BF16, false", "union-2.1, BF16, false", "lite-2.1, BF16, true"
    })
    void weightsThatComeAndGo_drawTheSame(String variant, Precision precision, boolean apart) {
        GenerationRequest request = request()
                .count(2)
                .guidance(1)
                .negativePrompt("a dog")
                .control(control().semantics(apart ? ControlImage.Semantics.DIFFUSERS : ControlImage.Semantics.TRAINED))
                .build();
        Checkpoint checkpoint = with(variant);
        List<float[]> resident = draw(checkpoint, precision, Map.of(), request);
        List<float[]> without = draw(
                checkpoint,
                precision,
                Map.of(),
                request.toBuilder().controls(List.of()).build());
        for (Residence residence : List.of(Residence.streamed(0, 2), Residence.streamed(1, 2), Residence.parked())) {
            List<float[]> moving = draw(
                    checkpoint,
                    precision,
                    Map.of(Component.CONTROLNET, residence, Component.TRANSFORMER, Residence.streamed(2, 2)),
                    request);
            for (int i = 0; i < 2; i++) {
                assertThat(moving.get(i)).as("%s, picture %d", residence, i).isEqualTo(resident.get(i));
                assertThat(moving.get(i)).isNotEqualTo(without.get(i));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"union-1.0", "union-2.0", "union-2.1", "lite-2.1"})
    void scaleOf0_andStepsWithout_areTheBaseToTheBit(String variant) {
        float[] expected = draw(base, request()).get(0);
        Checkpoint checkpoint = with(variant);
        for (ControlImage idle : List.of(
                control().scale(0),
                control().until(0.2), // no step of four ends by then
                control().from(0.8),
                control().stepScales(List.of(0.0)))) {
            assertThat(draw(checkpoint, request().control(idle)).get(0))
                    .as("%s", idle)
                    .isEqualTo(expected);
        }
    }

    @Test
    void partsOfTheSteps_areCounted() {
        Checkpoint checkpoint = with("union-2.1");
        float[] half = draw(checkpoint, request().control(control().until(0.5))).get(0);
        assertThat(draw(checkpoint, request().control(control().stepScales(List.of(1.0, 1.0, 0.0, 0.0))))
                        .get(0))
                .isEqualTo(half);
        assertThat(draw(checkpoint, request().control(control().stepScales(List.of(1.0, 0.0))))
                        .get(0))
                .as("two numbers for four steps")
                .isEqualTo(half);
        float[] late = draw(checkpoint, request().control(control().from(0.5))).get(0);
        requireFar(late, half, "the other half");
        requireFar(half, draw(checkpoint, request().control(control())).get(0), "all steps");
        assertThat(draw(checkpoint, request().control(control().scale(0.4).stepScales(List.of(2.0))))
                        .get(0))
                .isEqualTo(draw(checkpoint, request().control(control())).get(0));
    }

    // Of Union 1.0, hints do not depend on each other: they add up.
    @Test
    void severalControlPictures_addUp() {
        Checkpoint checkpoint = with("union-1.0");
        float[] once = draw(checkpoint, request().control(control())).get(0);
        float[] twice = draw(
                        checkpoint,
                        request()
                                .control(control().scale(0.5))
                                .control(control().scale(0.3)))
                .get(0);
        SeamModel.requireClose(twice, TransformerProbe.doubles(once), ROUNDING, "two of half the scale");
        ControlImage other = ControlImage.of(picture(4)).type(ControlImage.Type.NONE);
        float[] both =
                draw(checkpoint, request().control(control()).control(other)).get(0);
        requireFar(both, once, "another one beside it");
        assertThat(draw(checkpoint, request().control(control()).control(other.scale(0)))
                        .get(0))
                .isEqualTo(once);
    }

    @Test
    void eachPicture_isAsByItself() {
        Checkpoint checkpoint = with("union-2.1");
        List<float[]> together = draw(
                checkpoint,
                request().count(3).guidance(1).negativePrompt("a dog").control(control()));
        for (int i = 0; i < 3; i++) {
            assertThat(draw(
                                    checkpoint,
                                    request()
                                            .seed(7 + i)
                                            .guidance(1)
                                            .negativePrompt("a dog")
                                            .control(control()))
                            .get(0))
                    .isEqualTo(together.get(i));
        }
    }

    // What surrounds the mask comes back as it was, and the ControlNet sees it: without it, the rest is another
    // picture.
    @Test
    void edits_areSeenByTheControlNet_whereItTakesMasks() {
        ImageToImage edit = ImageToImage.of(picture(5)).mask(leftHalf()).strength(1);
        Checkpoint masks = with("union-2.1");
        float[] seen =
                draw(masks, request().imageToImage(edit).control(control())).get(0);
        assertThat(draw(masks, request().imageToImage(edit).control(control().inpaint(picture(5), leftHalf())))
                        .get(0))
                .isEqualTo(seen);
        float[] others = draw(
                        masks, request().imageToImage(edit).control(control().inpaint(picture(6), leftHalf())))
                .get(0);
        requireFar(seen, others, "other surroundings");
        int columns = WIDTH / 8;
        for (int i = 0; i < seen.length; i++) {
            if (i % columns >= columns / 2) {
                assertThat(seen[i]).as("latent %d outside of the mask", i).isEqualTo(others[i]);
            }
        }
        float[] surroundings = draw(masks, request().control(ControlImage.ofSurroundings(picture(5), leftHalf())))
                .get(0);
        requireFar(surroundings, draw(base, request()).get(0), "surroundings alone");
    }

    @Test
    void hires_andAttentionGuidance_goWithIt() {
        Checkpoint checkpoint = with("lite-2.1");
        GenerationRequest.Builder nag =
                request().negativePrompt("a dog").nag(Nag.OFF.withScale(3)).control(control());
        float[] guided = draw(checkpoint, nag).get(0);
        requireFar(guided, draw(checkpoint, request().control(control())).get(0), "without NAG");
        GenerationRequest.Builder large = request().size(160, 96).hires(2);
        requireFar(
                draw(checkpoint, large.control(control())).get(0),
                draw(checkpoint, request().size(160, 96).hires(2)).get(0),
                "two passes without control");
    }

    @Test
    void eightBits_areNearToTheRest_keptOrNot() throws IOException {
        Checkpoint checkpoint = with("union-2.1");
        GenerationRequest request = request().control(control()).build();
        float[] exact = draw(checkpoint, Precision.FP32, Map.of(), request).get(0);
        Map<Component, Precision> precisions = new HashMap<>();
        Component.values().forEach(each -> precisions.put(each, Precision.FP32));
        precisions.put(Component.CONTROLNET, Precision.INT8);
        EngineOptions resident = new EngineOptions(precisions, AttentionBackend.BLOCKWISE, VaeTiling.auto(), Map.of());
        float[] eight = draw(checkpoint, resident, request).get(0);
        SeamModel.requireFar(eight, TransformerProbe.doubles(exact), ROUNDING, "8 bits round");
        // 8 bits a row of 48 features: a hundredth of each product, which two steps of the tiny model double.
        SeamModel.requireClose(eight, TransformerProbe.doubles(exact), 0.1, "8 bits");
        Checkpoint kept = checkpoint.withWeights(
                Component.CONTROLNET,
                new WeightCache(folder.resolve("cache"))
                        .convert(
                                Component.CONTROLNET,
                                checkpoint.weights(Component.CONTROLNET),
                                Precision.INT8,
                                false,
                                done -> {}));
        EngineOptions streamed = new EngineOptions(
                precisions,
                AttentionBackend.BLOCKWISE,
                VaeTiling.auto(),
                Map.of(Component.CONTROLNET, Residence.streamed(1, 2)));
        float[] keptStreamed = draw(kept, streamed, request).get(0);
        assertThat(keptStreamed)
                .as("kept and streamed, against kept and resident")
                .isEqualTo(draw(kept, resident, request).get(0));
    }

    @ParameterizedTest
    @CsvSource({"union-1.0, TRAINED", "union-2.0, TRAINED", "union-2.1, DIFFUSERS", "lite-2.1, TRAINED"})
    void recordedWork_drawsTheSame(String variant, ControlImage.Semantics semantics) throws Exception {
        FakeRecorder recorder = new FakeRecorder();
        AutoCloseable accelerator = FakeAccelerator.install(folder.resolve("services"), 1);
        FakeAccelerator.recorder = () -> recorder;
        try (accelerator) {
            Checkpoint checkpoint = with(variant);
            GenerationRequest request = request()
                    .control(control().semantics(semantics).stepScales(List.of(1.0, 0.5, 0.0, 1.5)))
                    .control(ControlImage.of(picture(9)).until(0.5))
                    .build();
            float[] expected =
                    draw(checkpoint, onCard(false, Map.of()), request).get(0);
            GenerationRequest plain = request.toBuilder().controls(List.of()).build();
            float[] base = draw(checkpoint, onCard(false, Map.of()), plain).get(0);
            try (TestEngine compiled =
                    new TestEngine(checkpoint, onCard(true, Map.of()), new GenerationListener() {})) {
                for (int i = 0; i < 2; i++) {
                    assertThat(values(compiled.generate(compiled.order(request, 7)))
                                    .get(0))
                            .isEqualTo(expected);
                    assertThat(values(compiled.generate(compiled.order(plain, 7)))
                                    .get(0))
                            .isEqualTo(base);
                }
            }
            // Two pictures followed, one, and none: each shape is rehearsed once, and all else replayed.
            assertThat(List.of(recorder.rehearsals.get(), recorder.replays.get()))
                    .containsExactly(3, 2 * 2 * STEPS - 3);
            int replayed = recorder.replays.get();
            assertThat(draw(checkpoint, onCard(true, Map.of(Component.CONTROLNET, Residence.streamed(0, 2))), request)
                            .get(0))
                    .isEqualTo(expected);
            assertThat(recorder.replays).as("what comes and goes is ordered").hasValueLessThanOrEqualTo(replayed + 1);
        }
    }

    private static EngineOptions onCard(boolean compiled, Map<Component, Residence> residences) {
        Map<Component, Precision> precisions = new HashMap<>();
        Component.values().forEach(each -> precisions.put(each, Precision.FP32));
        return new EngineOptions(
                precisions,
                AttentionBackend.AUTO,
                VaeTiling.auto(),
                residences,
                new Hardware(Device.cuda(0), Map.of(), Set.of(), OptionalLong.empty(), false),
                compiled,
                EngineOptions.Limits.NONE,
                true);
    }

    @Test
    void requestsThatDoNotFit_areRefused() {
        requireRefusal(base, request().control(control()), "needs a ControlNet");
        requireRefusal(
                with("union-1.0"),
                request().control(control().inpaint(picture(1), leftHalf())),
                "need a ControlNet from 2.0 on, but this is Union 1.0");
        requireRefusal(
                with("union-2.1"),
                request().control(ControlImage.of(SourceImage.ofDigest("ab".repeat(32)))),
                "known by its digest abababababab only");
        requireRefusal(
                with("union-2.1"),
                request()
                        .imageToImage(
                                ImageToImage.of(picture(1)).mask(leftHalf()).maskPadding(8))
                        .control(control()),
                "leave out maskPadding");
    }

    private static void requireRefusal(Checkpoint checkpoint, GenerationRequest.Builder request, String message) {
        try (PointerScope scope = new PointerScope();
                TestEngine engine =
                        new TestEngine(checkpoint, options(Precision.FP32, Map.of()), new GenerationListener() {})) {
            assertThatThrownBy(() -> engine.order(request.build(), 7))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining(message);
        }
    }

    @Test
    void valuesOutOfRange_areRefused() {
        for (ControlImage wrong : List.of(
                control().scale(11),
                control().scale(Double.NaN),
                control().until(0),
                control().from(0.5).until(0.5),
                control().stepScales(Collections.nCopies(2000, 1.0)),
                control().inpaintMask(leftHalf()),
                ControlImage.none())) {
            assertThatThrownBy(() -> request().control(wrong).build())
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("controls must be at most 8");
        }
    }
}
