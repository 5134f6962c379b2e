package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.ImageToImage.MaskMode;
import io.github.zimage.ImageToImage.StrengthMode;
import io.github.zimage.Sampling;
import io.github.zimage.SourceImage;
import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.VaeLoader;
import io.github.zimage.internal.image.Lanczos;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.vae.Moments;
import io.github.zimage.internal.vae.PictureEncoder;
import io.github.zimage.internal.weights.Checkpoint;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects where pictures start that start from a picture, and what is put back: at which noise level, from which draws of which seed, and that what a
 * mask leaves out comes out as the encoder gave it, to the bit. What is drawn is compared with steps taken in FP64.
 */
final class InitialPictureTest {
    /** As for samplers: a few times what FP32 latents are rounded by. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;
    private static int[] shape;
    private static SourceImage source;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
        shape = SeamModel.shape(checkpoint);
        Random random = new Random(4);
        BufferedImage image = new BufferedImage(SeamModel.WIDTH, SeamModel.HEIGHT, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < SeamModel.WIDTH * SeamModel.HEIGHT; i++) {
            image.setRGB(i % SeamModel.WIDTH, i / SeamModel.WIDTH, random.nextInt(1 << 24));
        }
        source = SourceImage.of(image);
    }

    /** A mask whose columns of latents have greys of their own. */
    private static SourceImage mask(int... greys) {
        BufferedImage mask = new BufferedImage(SeamModel.WIDTH, SeamModel.HEIGHT, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < SeamModel.HEIGHT; y++) {
            for (int x = 0; x < SeamModel.WIDTH; x++) {
                int grey = greys[x * greys.length / SeamModel.WIDTH];
                mask.setRGB(x, y, grey << 16 | grey << 8 | grey);
            }
        }
        return SourceImage.of(mask);
    }

    private static GenerationRequest request(ImageToImage imageToImage, int steps) {
        return SeamModel.request().steps(steps).imageToImage(imageToImage).build();
    }

    private static float[] drawn(TestEngine engine, ImageToImage imageToImage, int steps) {
        return engine.generate(engine.order(request(imageToImage, steps), 7))
                .get(0)
                .latents()
                .values();
    }

    /** The clean latents of a seed's first draw, as the engine computes them. */
    private static double[] original(TestEngine engine, long seed) {
        Session session = new Session(engine.model(), new GenerationListener() {}, () -> {}, Relief.NONE);
        return session.run(Phase.ENCODE, () -> {
            try (PointerScope scope = new PointerScope();
                    Lease<PictureEncoder> encoder = session.use(VaeLoader.ENCODER)) {
                Moments moments = encoder.model().encode(source.rgb(), source.width(), source.height(), () -> {});
                PictureNoise noise = new PictureNoise(seed, 1, TensorPlace.CPU, shape[0], shape[1], shape[2]);
                return TransformerProbe.doubles(
                        Tensors.toFloats(moments.sample(checkpoint.vae(), noise.next(), TensorPlace.CPU)));
            }
        });
    }

    private static float[] sigmas(float[] levels) {
        return NoiseSchedule.flowMatch(checkpoint.scheduler(), levels, shape[1] / 2 * (shape[2] / 2))
                .sigmas();
    }

    private static double[] mixed(double[] original, double[] noise, double sigma) {
        double[] mixed = new double[noise.length];
        for (int i = 0; i < mixed.length; i++) {
            mixed[i] = sigma * noise[i] + (1 - sigma) * original[i];
        }
        return mixed;
    }

    /** What of a latent is put back after a step, from 0 to 1. */
    private interface PutBack {
        double after(int step, int at);
    }

    private static double[] reference(TestEngine engine, float[] sigmas, long seed, PutBack back) {
        TransformerProbe transformer = new TransformerProbe(engine, SeamModel.PROMPT, shape);
        double[] original = original(engine, seed);
        double[] noise = transformer.noise(seed, 2)[1];
        double[] x = mixed(original, noise, sigmas[0]);
        for (int i = 0; i + 1 < sigmas.length; i++) {
            double[] velocity = transformer.velocity(x, sigmas[i]);
            double[] known = mixed(original, noise, sigmas[i + 1]);
            for (int at = 0; at < x.length; at++) {
                double next = x[at] + (sigmas[i] - sigmas[i + 1]) * velocity[at];
                double kept = back.after(i, at);
                x[at] = kept * known[at] + (1 - kept) * next;
            }
        }
        return x;
    }

    private static int column(int at) {
        return at % shape[2];
    }

    // All steps, from half the way: what few-step models need.
    @Test
    void continuousStrength_takesAllStepsFromALowerLevel() {
        float[] levels = NoiseSchedule.evenLevels(4);
        for (int i = 0; i < levels.length; i++) {
            levels[i] *= 0.5f;
        }
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            float[] actual = drawn(engine, ImageToImage.of(source).strength(0.5), 4);
            double[] expected = reference(engine, sigmas(levels), 7, (step, at) -> 0);
            SeamModel.requireClose(actual, expected, ROUNDING, "continuous");
            SeamModel.requireFar(actual, original(engine, 7), 100 * ROUNDING, "the picture itself");
        }
    }

    // Schedules with levels of their own are cut off as ComfyUI does it: 3 of int(3 / 0.4) = 7 steps.
    @Test
    void continuousStrength_takesTheLastStepsOfOtherSchedules() {
        GenerationRequest request = request(ImageToImage.of(source).strength(0.4), 3).toBuilder()
                .sampling(each -> each.withSchedule(Sampling.Schedule.KARRAS))
                .build();
        float[] whole = NoiseSchedule.of(Sampling.Schedule.KARRAS, checkpoint.scheduler(), 7, 1)
                .sigmas();
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            float[] actual =
                    engine.generate(engine.order(request, 7)).get(0).latents().values();
            double[] expected = reference(engine, Arrays.copyOfRange(whole, 4, 8), 7, (step, at) -> 0);
            SeamModel.requireClose(actual, expected, ROUNDING, "Karras' levels");
        }
    }

    // The numbers of steps are those of diffusers, the odd ones among them.
    @ParameterizedTest
    @CsvSource({
        "8, 0.001, 1",
        "8, 0.125, 1",
        "8, 0.13, 2",
        "8, 0.5, 4",
        "8, 0.6, 5",
        "8, 0.876, 8",
        "25, 0.56, 15",
        "8, 1, 8"
    })
    void steppedStrength_takesTheLastSteps(int steps, double strength, int taken) {
        List<Integer> heard = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onStep(int step, int count, Duration elapsed) {
                assertThat(count).isEqualTo(taken);
                heard.add(step);
            }
        };
        ImageToImage imageToImage = ImageToImage.of(source).strength(strength).strengthMode(StrengthMode.STEPPED);
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            Generation.run(
                    engine.model(), engine.order(request(imageToImage, steps), 7), listener, () -> {}, Relief.NONE);
        }
        assertThat(heard).hasSize(taken);
    }

    @ParameterizedTest
    @EnumSource
    void whatIsBlack_comesOutAsTheEncoderGaveIt_toTheBit(MaskMode mode) {
        ImageToImage imageToImage = ImageToImage.of(source).mask(mask(0, 255)).maskMode(mode);
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            double[] original = original(engine, 7);
            float[] actual = drawn(engine, imageToImage, 3);
            int changed = 0;
            for (int at = 0; at < actual.length; at++) {
                if (column(at) < shape[2] / 2) {
                    assertThat(actual[at]).isEqualTo((float) original[at]);
                } else {
                    changed += actual[at] == (float) original[at] ? 0 : 1;
                }
            }
            assertThat(changed).isEqualTo(actual.length / 2);
        }
    }

    @Test
    void softMask_mixesAfterEachStep() {
        ImageToImage imageToImage =
                ImageToImage.of(source).mask(mask(0, 51, 102, 255)).maskMode(MaskMode.SOFT);
        double[] painted = {0, 0.2, 0.4, 1};
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            double[] expected = reference(
                    engine,
                    sigmas(NoiseSchedule.evenLevels(3)),
                    7,
                    (step, at) -> 1 - painted[column(at) * 4 / shape[2]]);
            SeamModel.requireClose(drawn(engine, imageToImage, 3), expected, ROUNDING, "soft");
        }
    }

    // Of 4 steps, a darkness of exactly 1/4 is let go with the second, since 1/4 is not more than 1/4.
    @Test
    void differentialMask_letsGoOfLightPartsFirst() {
        ImageToImage imageToImage = ImageToImage.of(source)
                .mask(mask(255, 204, 102, 0))
                .maskMode(MaskMode.DIFFERENTIAL)
                .strength(1);
        float[] darkness = {0, 1 - 204 / 255f, 1 - 102 / 255f, 1};
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            double[] expected = reference(engine, sigmas(NoiseSchedule.evenLevels(4)), 7, (step, at) -> {
                float dark = darkness[column(at) * 4 / shape[2]];
                return (step < 3 ? dark > step / 4f : dark >= 1) ? 1 : 0;
            });
            float[] actual = drawn(engine, imageToImage, 4);
            SeamModel.requireClose(actual, expected, ROUNDING, "differential");
            float[] binary = drawn(engine, imageToImage.maskMode(MaskMode.BINARY), 4);
            SeamModel.requireFar(binary, expected, 100 * ROUNDING, "binary");
        }
    }

    // In diffusers the second picture of a list of seeds spends its first draw on noise, alone its second.
    @Test
    void picture_doesNotDependOnItsNeighbours() {
        ImageToImage imageToImage = ImageToImage.of(source).strength(0.5);
        GenerationRequest two =
                SeamModel.request().steps(2).count(2).imageToImage(imageToImage).build();
        GenerationRequest second =
                SeamModel.request().steps(2).seed(8).imageToImage(imageToImage).build();
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            float[] together =
                    engine.generate(engine.order(two, 7)).get(1).latents().values();
            assertThat(engine.generate(engine.order(second, 8)).get(0).latents().values())
                    .isEqualTo(together);
            GenerationRequest last = two.toBuilder().count(1).seed(8).build();
            assertThat(engine.generate(engine.order(two, 7).part(last, 1))
                            .get(0)
                            .latents()
                            .values())
                    .as("on another device")
                    .isEqualTo(together);
        }
    }

    @Test
    void encoderThatIsParked_givesTheSame_inAPhaseOfItsOwn() {
        ImageToImage imageToImage = ImageToImage.of(source).strength(0.5);
        float[] expected;
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            expected = drawn(engine, imageToImage, 2);
        }
        List<Component> loaded = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                if (bytesDone == bytesTotal) {
                    loaded.add(component);
                }
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of(Component.VAE_ENCODER, Residence.parked()))) {
            for (int time = 0; time < 2; time++) {
                List<DrawnImage> drawn = Generation.run(
                        engine.model(), engine.order(request(imageToImage, 2), 7), listener, () -> {}, Relief.NONE);
                assertThat(drawn.get(0).latents().values()).isEqualTo(expected);
            }
            assertThat(engine.model().devicePeaks()).containsKey(Phase.ENCODE);
        }
        assertThat(loaded).containsExactly(Component.VAE_ENCODER, Component.VAE_ENCODER);
    }

    // Drawn small, enlarged and drawn anew, with the steps and the noise that say so.
    @Test
    void hires_drawsAnewWhatWasDrawnSmall() {
        GenerationRequest large =
                SeamModel.request().size(128, 96).steps(3).seed(7).hires(2).build();
        GenerationRequest small =
                SeamModel.request().size(64, 48).steps(3).seed(7).build();
        int[] whole = {shape[0], 12, 16};
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            List<Integer> heard = new ArrayList<>();
            GenerationListener listener = new GenerationListener() {
                @Override
                public void onStep(int step, int count, Duration elapsed) {
                    heard.add(10 * step + count);
                }
            };
            float[] actual = Generation.run(engine.model(), engine.order(large, 7), listener, () -> {}, Relief.NONE)
                    .get(0)
                    .latents()
                    .values();
            assertThat(heard)
                    .as("three steps and two more, half of them rounded up")
                    .containsExactly(15, 25, 35, 45, 55);
            DrawnImage first = engine.generate(engine.order(small, 7)).get(0);
            byte[] enlarged =
                    Lanczos.resize(new Pixels(64, 48, 3, first.rgb()), 128, 96).data();
            double[] original = mode(engine, enlarged, 128, 96);
            float[] levels = NoiseSchedule.evenLevels(2);
            float[] sigmas = NoiseSchedule.flowMatch(
                            checkpoint.scheduler(), new float[] {0.35f * levels[0], 0.35f * levels[1]}, 48)
                    .sigmas();
            TransformerProbe transformer = new TransformerProbe(engine, SeamModel.PROMPT, whole);
            double[] x = mixed(original, transformer.noise(7, 2)[1], sigmas[0]);
            for (int i = 0; i < 2; i++) {
                double[] velocity = transformer.velocity(x, sigmas[i]);
                for (int at = 0; at < x.length; at++) {
                    x[at] += (sigmas[i] - sigmas[i + 1]) * velocity[at];
                }
            }
            SeamModel.requireClose(actual, x, ROUNDING, "hires");
            SeamModel.requireFar(actual, original, 100 * ROUNDING, "the enlarged picture itself");
        }
    }

    private static double[] mode(TestEngine engine, byte[] rgb, int width, int height) {
        Session session = new Session(engine.model(), new GenerationListener() {}, () -> {}, Relief.NONE);
        return session.run(Phase.ENCODE, () -> {
            try (PointerScope scope = new PointerScope();
                    Lease<PictureEncoder> encoder = session.use(VaeLoader.ENCODER)) {
                Moments moments = encoder.model().encode(rgb, width, height, () -> {});
                return TransformerProbe.doubles(Tensors.toFloats(moments.mode(checkpoint.vae(), TensorPlace.CPU)));
            }
        });
    }
}
