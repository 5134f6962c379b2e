package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import io.github.zimage.Precision;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.PictureStream;
import io.github.zimage.internal.weights.Checkpoint;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that numbers that are not finite are blamed on what first made them, not on what came to see them last: whoever is told that the VAE
 * is damaged would download the wrong gigabytes again.
 */
final class FiniteWatchTest {
    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
    }

    private static final String TEXT_ENCODER = "the text encoder gave values that are not finite for a prompt of ";
    private static final String TRANSFORMER =
            "the transformer gave values that are not finite in step 1 of 3, for picture 1, in ";
    private static final String VAE = "the VAE gave values that are not finite from latents up to ";

    /** Weights that are damaged, in all kinds of places, and who is to be blamed. */
    static Stream<Arguments> damages() {
        List<Arguments> damages = new ArrayList<>();
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            for (String name : List.of(
                    "layers\\.0\\.mlp\\.down_proj\\.weight",
                    "layers\\.1\\.self_attn\\.q_norm\\.weight",
                    "layers\\.0\\.input_layernorm\\.weight",
                    "embed_tokens\\.weight")) {
                damages.add(Arguments.of(Component.TEXT_ENCODER, name, value, TEXT_ENCODER));
            }
            for (String name : List.of(
                    "all_x_embedder\\.2-1\\.bias",
                    "cap_embedder\\.1\\.weight",
                    "context_refiner\\.0\\.feed_forward\\.w2\\.weight",
                    "noise_refiner\\.0\\.adaLN_modulation\\.0\\.bias",
                    "layers\\.2\\.attention\\.to_out\\.0\\.weight",
                    "all_final_layer\\.2-1\\.linear\\.bias")) {
                damages.add(Arguments.of(Component.TRANSFORMER, name, value, TRANSFORMER));
            }
            for (String name : List.of("decoder\\.conv_in\\.bias", "decoder\\.conv_out\\.weight")) {
                damages.add(Arguments.of(Component.VAE, name, value, VAE));
            }
        }
        // The largest numbers of FP32 and BF16, whose sums have no number any more.
        damages.add(Arguments.of(
                Component.TEXT_ENCODER, "layers\\.0\\.post_attention_layernorm\\.weight", 3e38f, TEXT_ENCODER));
        damages.add(Arguments.of(Component.TRANSFORMER, "all_final_layer\\.2-1\\.linear\\.weight", 3e38f, TRANSFORMER));
        damages.add(Arguments.of(Component.VAE, "decoder\\.conv_out\\.weight", 3e38f, VAE));
        return damages.stream();
    }

    @ParameterizedTest
    @MethodSource("damages")
    void damagedComponent_isNamed(Component component, String names, float value, String blamed) {
        Checkpoint damaged = ChangedWeights.of(checkpoint, component, names, (stored, index) -> value);
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            boolean streamed = precision == Precision.BF16 ^ value > 0;
            boolean guided = precision == Precision.FP32 ^ value < 0;
            GenerationRequest request =
                    SeamModel.request().guidance(guided ? 1 : 0).count(2).build();
            try (TestEngine engine = SeamModel.open(damaged, precision, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
                for (int time = 1; time <= 2; time++) {
                    assertThatThrownBy(() -> engine.generate(engine.order(request, 7)))
                            .as("%s, streamed %s, guided %s, time %s", precision, streamed, guided, time)
                            .isInstanceOf(ZImageException.class)
                            .hasMessageStartingWith(blamed)
                            // The VAE is tried again in FP32 before it is blamed.
                            .hasMessageContaining(
                                    ", in %s: its weights are damaged",
                                    component.equals(Component.VAE) ? "FP32" : precision)
                            .hasMessageContaining("compare the files with their source");
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FP32", "BF16"})
    void soundModel_isBlamedForNothing(Precision precision) {
        GenerationRequest request = SeamModel.request().guidance(1).count(2).build();
        try (TestEngine engine = SeamModel.open(checkpoint, precision, SeamModel.RESIDENCES.get(1))) {
            assertThat(engine.generate(engine.order(request, 7))).hasSize(2);
        }
    }

    // What is decoded without need costs the user minutes, and a warning that sends him to the wrong setting.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void vaeIsNotAsked_whereLatentsAreNotFinite(boolean previews) {
        Checkpoint damaged = ChangedWeights.of(
                checkpoint, Component.TRANSFORMER, "all_final_layer.*bias", (stored, index) -> Float.NaN);
        List<Component> loaded = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                loaded.add(component);
            }

            @Override
            public int previewSize(int step) {
                return previews ? 32 : 0;
            }

            @Override
            public void onPreview(int step, int picture, BufferedImage preview) {
                throw new AssertionError("a preview of numbers that are not finite");
            }
        };
        try (TestEngine engine = SeamModel.open(damaged, Precision.BF16, SeamModel.RESIDENCES.get(previews ? 0 : 1))) {
            assertThatThrownBy(() -> Generation.run(
                            engine.model(),
                            engine.order(SeamModel.request().build(), 7),
                            listener,
                            () -> {},
                            Relief.NONE))
                    .hasMessageStartingWith(TRANSFORMER);
        }
        assertThat(loaded).doesNotContain(Component.VAE);
    }

    /** Spoils the stream of one picture in one step. */
    private static Attachment spoiling(int step, int stream, float value) {
        BlockHook hook = (at, pictures) -> new BlockHook.Pass() {
            @Override
            public void afterBlock(int block, List<PictureStream> streams) {
                if (at.step().number() == step && block == 1) {
                    for (PictureStream each : streams) {
                        if (pictures.indexOf(each.input()) == stream) {
                            each.hidden().select(0, 3).fill_(new Scalar(value));
                        }
                    }
                }
            }
        };
        return (session, transformer, evaluations) -> hook;
    }

    // Streams are first those of what two pictures shall show, then of what they shall not.
    @ParameterizedTest
    @CsvSource({
        "1, 0, NaN, picture 1",
        "2, 1, Infinity, picture 2",
        "3, 2, NaN, 'picture 1, with its negative prompt'",
        "2, 3, -Infinity, 'picture 2, with its negative prompt'"
    })
    void stepAndPicture_areNamed(int step, int stream, float value, String picture) {
        GenerationRequest request = SeamModel.request().guidance(1).count(2).build();
        List<Integer> heard = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onStep(int number, int steps, Duration elapsed) {
                heard.add(number);
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(1))) {
            Order order = engine.order(request, 7).with(List.of(spoiling(step, stream, value)));
            assertThatThrownBy(() -> Generation.run(engine.model(), order, listener, () -> {}, Relief.NONE))
                    .isInstanceOf(ZImageException.class)
                    .hasMessageStartingWith(
                            "the transformer gave values that are not finite in step %d of 3, for %s, in FP32: "
                                    .formatted(step, picture));
            assertThat(heard).as("no further step is taken").hasSize(step);
            assertThatCode(() -> engine.generate(engine.order(request, 7))).doesNotThrowAnyException();
        }
    }

    // The transformer's velocities just fit into FP32, but not a hundred times what two of them differ by.
    @Test
    void guidanceThatIsTooLarge_isNamed() {
        Checkpoint large = ChangedWeights.of(
                checkpoint,
                Component.TRANSFORMER,
                "all_final_layer\\.2-1\\.linear\\..*",
                (stored, index) -> stored * 3e37f);
        GenerationRequest request =
                SeamModel.request().guidance(100).negativePrompt("a dog").build();
        try (TestEngine engine = SeamModel.open(large, SeamModel.RESIDENCES.get(0))) {
            assertThatThrownBy(() -> engine.generate(engine.order(request, 7)))
                    .isInstanceOf(ZImageException.class)
                    .hasMessage("picture 1 has values that are not finite in step 1 of 3, though the transformer"
                            + " gave finite ones: guidance must be smaller, but was 100.0");
        }
    }

    @Test
    void whatASamplerMakes_isNotTheTransformersFault() {
        Sampler dividing = new Sampler() {
            @Override
            public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
                return (at, velocity) -> latents.div_(new Scalar(at.step().index() == 1 ? 0.0 : 1.0));
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(0))) {
            Order order = engine.order(SeamModel.request().build(), 7).sampledBy(dividing);
            assertThatThrownBy(() -> engine.generate(order))
                    .isInstanceOf(ZImageException.class)
                    .hasMessageStartingWith(
                            "picture 1 has values that are not finite in step 2 of 3, though the transformer"
                                    + " gave finite ones");
        }
    }

    @Test
    void startThatIsNotFinite_isNamed() {
        int[] shape = SeamModel.shape(checkpoint);
        InitialLatents broken = new InitialLatents() {
            @Override
            public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
                return () -> place.filled(picture == 1 ? Double.NaN : 0.5, shape[0], shape[1], shape[2]);
            }
        };
        GenerationRequest request = SeamModel.request().count(2).build();
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(0))) {
            assertThatThrownBy(() -> engine.generate(engine.order(request, 7).startingFrom(broken)))
                    .isInstanceOf(ZImageException.class)
                    .hasMessage("picture 2 starts from latents that are not finite: start it from others");
        }
    }

    // Kernels read some numbers at a time and the rest one by one; a NaN must not get lost among larger numbers in
    // either.
    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void oneNumber_isSeenWhereverItIs(float value) {
        int[] shape = {16, 13, 11};
        int count = shape[0] * shape[1] * shape[2];
        for (int place = 0; place < count; place += place < 40 || place > count - 40 ? 1 : 37) {
            float[] values = new float[count];
            Arrays.fill(values, 1e30f);
            try (PointerScope scope = new PointerScope()) {
                FiniteWatch watch = new FiniteWatch(SeamModel.request().build(), Precision.FP32, TensorPlace.CPU, 1);
                watch.onStart(picture(TensorPlace.CPU.of(values, shape[0], shape[1], shape[2])));
                assertThatCode(watch::require).doesNotThrowAnyException();
                values[place] = value;
                watch.onStart(picture(TensorPlace.CPU.of(values, shape[0], shape[1], shape[2])));
                assertThatThrownBy(watch::require).as("at %s", place).hasMessageContaining("picture 1 starts from");
            }
        }
    }

    private static Picture picture(Tensor latents) {
        return new Picture(0, latents, () -> latents, (at, velocity) -> {});
    }

    // Tensors of the meta device have no numbers: whoever asked for one between the steps, as of a card, would fail
    // here.
    @Test
    void nothingIsRead_untilTheEnd() {
        TensorPlace nowhere = new TensorPlace(DeviceType.Meta, -1);
        try (PointerScope scope = new PointerScope()) {
            Tensor latents = nowhere.empty(ScalarType.Float, 4, 6, 8);
            Picture picture = picture(latents);
            FiniteWatch watch = new FiniteWatch(SeamModel.request().build(), Precision.FP32, nowhere, 1);
            watch.onStart(picture);
            Evaluation at = new Evaluation(new Step(0, 1, 1, 0, 0), 0, 1, 1, 0);
            watch.onVelocities(at, List.of(picture), List.of(latents, latents));
            watch.onAdvance(at, picture);
            assertThatThrownBy(watch::require).as("now it is").isInstanceOf(RuntimeException.class);
        }
    }

    // What a caller brings is refused at the door, and is nobody else's fault.
    @Test
    void givenNumbersThatAreNotFinite_areRefused() {
        int[] shape = SeamModel.shape(checkpoint);
        float[] latents = new float[shape[0] * shape[1] * shape[2]];
        latents[5] = Float.NaN;
        int features = checkpoint.textEncoder().hiddenSize();
        float[] embeddings = new float[2 * features];
        embeddings[0] = Float.NEGATIVE_INFINITY;
        GenerationRequest request = SeamModel.request()
                .latents(List.of(Latents.of(shape[0], shape[1], shape[2], latents)))
                .guidance(1)
                .negativeEmbeddings(PromptEmbeddings.of(2, features, embeddings))
                .build();
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(1))) {
            assertThatThrownBy(() -> engine.order(request, 7))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "latents must be finite, but number 6 of %d was NaN; embeddings must be finite, but number 1 of %d was -Infinity",
                            latents.length, embeddings.length);
        }
    }
}
