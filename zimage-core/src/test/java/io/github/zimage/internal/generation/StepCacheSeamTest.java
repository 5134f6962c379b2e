package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Nag;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.PictureStream;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects what step caches compute: nothing else where nothing is left out, what their formulas say where something is, the same for a picture
 * whatever is drawn beside it, and no weights for evaluations that a mask leaves out.
 */
final class StepCacheSeamTest {
    private static final int STEPS = 12;
    private static final int LAYERS = 3;
    private static final String MASK = "110110010011";

    /** Some operations in FP32 on velocities, against the same in FP64: some last bits of numbers that cancel. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
    }

    private static GenerationRequest.Builder request(StepCache cache) {
        return SeamModel.request().steps(STEPS).sampling(s -> s.withStepCache(cache));
    }

    /** Takes short steps across the level of 0.7, over which the first block of the tiny model, whose modulations are random, changes gradually. */
    private static GenerationRequest.Builder gradual(StepCache cache) {
        List<Float> levels = new ArrayList<>();
        for (int i = 0; i < STEPS; i++) {
            levels.add(0.43765f - 0.00003f * i);
        }
        return request(cache).sigmas(levels);
    }

    private static List<DrawnImage> draw(GenerationRequest request, boolean streamed) {
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            return engine.generate(engine.order(request, 7));
        }
    }

    private static float[] latents(DrawnImage drawn) {
        return drawn.latents().values();
    }

    /** Follows the velocity, and remembers it. */
    private static final class Remembering implements Sampler {
        final List<double[]> velocities = new ArrayList<>();
        final List<Evaluation> evaluations = new ArrayList<>();

        @Override
        public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
            return (at, velocity) -> {
                velocities.add(TransformerProbe.doubles(Tensors.toFloats(velocity)));
                evaluations.add(at);
                latents.add_(
                        velocity,
                        new Scalar((double) at.step().sigma() - at.step().nextSigma()));
                velocity.zero_(); // a trajectory may write into it
            };
        }
    }

    @ParameterizedTest
    @CsvSource({
        "mask=111111111111, 0, false",
        "mask=111111111111, 1, true",
        "fb=0, 0, false",
        "fb=0, 1, false",
        "fb=0, 1, true"
    })
    void whereNothingIsLeftOut_picturesAreTheSameToTheBit(String cache, double guidance, boolean streamed) {
        GenerationRequest.Builder builder = request(StepCache.OFF).count(2).guidance(guidance);
        List<DrawnImage> expected = draw(builder.build(), streamed);
        List<DrawnImage> actual =
                draw(builder.sampling(s -> s.withStepCache(StepCache.of(cache))).build(), streamed);
        for (int i = 0; i < 2; i++) {
            assertThat(latents(actual.get(i))).isEqualTo(latents(expected.get(i)));
            assertThat(actual.get(i).timings().forwards()).isEqualTo(STEPS);
        }
    }

    @Test
    void velocityThatIsLeftOut_isOnTheLineThroughTheTwoBefore() {
        Remembering sampler = new Remembering();
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            GenerationRequest request = request(StepCache.mask(MASK)).build();
            DrawnImage drawn =
                    engine.generate(engine.order(request, 7).sampledBy(sampler)).get(0);
            assertThat(drawn.timings().forwards()).isEqualTo(7).isEqualTo(request.evaluations());
        }
        assertThat(sampler.velocities).hasSize(STEPS);
        int latest = 0;
        int before = -1;
        for (int step = 1; step < STEPS; step++) {
            if (MASK.charAt(step) == '1') {
                before = latest;
                latest = step;
                continue;
            }
            double[] expected = onLine(sampler, before, latest, step);
            double[] actual = sampler.velocities.get(step);
            SeamModel.requireClose(floats(actual), expected, ROUNDING, "step " + step);
            SeamModel.requireFar(
                    floats(actual), sampler.velocities.get(latest), 100 * ROUNDING, "as it was, step " + step);
        }
    }

    private static double[] onLine(Remembering sampler, int before, int latest, int step) {
        double from = sampler.evaluations.get(latest).sigma();
        double slope = (sampler.evaluations.get(step).sigma() - from)
                / (from - sampler.evaluations.get(before).sigma());
        double[] expected = sampler.velocities.get(latest).clone();
        for (int i = 0; i < expected.length; i++) {
            expected[i] += slope * (expected[i] - sampler.velocities.get(before)[i]);
        }
        return expected;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    // Each side of guidance, each picture and each group goes on with its own velocities.
    @ParameterizedTest
    @CsvSource({"mask=" + MASK + ", false", "mask=" + MASK + ", true", "fb=0.05, false"})
    void picture_isTheSameAloneAndTogether(String cache, boolean streamed) {
        GenerationRequest together = gradual(StepCache.of(cache))
                .count(5)
                .guidance(1.5)
                .negativePrompt("a dog")
                .build();
        List<DrawnImage> drawn = draw(together, streamed);
        for (int i = 0; i < 5; i++) {
            GenerationRequest alone =
                    together.toBuilder().count(1).seed(together.seedOf(i)).build();
            DrawnImage expected = draw(alone, false).get(0);
            assertThat(latents(drawn.get(i))).isEqualTo(latents(expected));
            assertThat(drawn.get(i).timings().forwards())
                    .isEqualTo(expected.timings().forwards())
                    .isBetween(2, STEPS - 1);
        }
    }

    // Attention that avoids something stops within the schedule: what was before is no slope for what is behind.
    @ParameterizedTest
    @ValueSource(strings = {"mask=110101010101", "fb=0.2"})
    void guidanceByAttention_mayStopInBetween(String cache) {
        GenerationRequest request = gradual(StepCache.of(cache))
                .nag(Nag.DEFAULT)
                .negativePrompt("a much longer text of what is not to be seen")
                .build();
        DrawnImage drawn = draw(request, false).get(0);
        assertThat(drawn.timings().forwards()).isBetween(2, STEPS - 1);
        float[] plain =
                latents(draw(request.toBuilder().nag(Nag.OFF).build(), false).get(0));
        assertThat(latents(drawn)).isNotEqualTo(plain).doesNotContain(Float.NaN);
    }

    @Test
    void evaluationsThatAMaskLeavesOut_readNoWeights() {
        ChangedWeights watched = new ChangedWeights();
        Checkpoint source = watched.changed(
                checkpoint, Component.TRANSFORMER, "layers\\.0\\.feed_forward\\.w1\\.weight", (value, index) -> value);
        List<Integer> loads = new ArrayList<>();
        try (TestEngine engine = SeamModel.open(source, Map.of(Component.TRANSFORMER, Residence.streamed(0, 2)))) {
            watched.takeRead();
            Sampler sampler = new Sampler() {
                @Override
                public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
                    return (at, velocity) -> {
                        if (!watched.takeRead().isEmpty()) {
                            loads.add(at.step().index());
                        }
                    };
                }
            };
            engine.generate(engine.order(request(StepCache.mask("100000000001")).build(), 7)
                    .sampledBy(sampler));
        }
        assertThat(loads).contains(0).doesNotContain(2, 3, 4, 5, 6, 7, 8, 9, 10);
    }

    /** Keeps what the blocks behind the first add in the first evaluation, and adds it in all others. */
    private static final class Frozen implements Attachment, BlockHook {
        private final IdentityHashMap<TransformerInput, Tensor> kept = new IdentityHashMap<>();

        @Override
        public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations) {
            return this;
        }

        @Override
        public Pass begin(Evaluation at, List<TransformerInput> pictures) {
            return new Pass() {
                @Override
                public void afterBlock(int block, List<PictureStream> streams) {
                    for (PictureStream each : streams) {
                        if (at.step().index() > 0) {
                            each.hidden().add_(kept.get(each.input()));
                            each.skipTo(LAYERS);
                        } else if (block == 0) {
                            kept.put(each.input(), Tensors.keep(each.hidden().clone()));
                        } else if (block == LAYERS - 1) {
                            Tensor before = kept.put(
                                    each.input(), Tensors.keep(each.hidden().sub(kept.get(each.input()))));
                            before.close();
                        }
                    }
                }
            };
        }

        @Override
        public void close() {
            kept.values().forEach(Tensor::close);
            kept.clear();
        }
    }

    // The tiny model's first block changes by less than all of itself, so that at 1 all but the first are left out.
    @Test
    void whatTheFirstBlockCacheLeavesOut_isWhatWasAddedBefore() {
        GenerationRequest cached =
                gradual(StepCache.firstBlock(1)).count(2).guidance(1).build();
        GenerationRequest plain =
                cached.toBuilder().sampling(s -> s.withStepCache(StepCache.OFF)).build();
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            List<DrawnImage> expected = engine.generate(engine.order(plain, 7).with(List.of(new Frozen())));
            List<DrawnImage> actual = engine.generate(engine.order(cached, 7));
            for (int i = 0; i < 2; i++) {
                assertThat(actual.get(i).timings().forwards()).isEqualTo(1);
                assertThat(latents(actual.get(i))).isEqualTo(latents(expected.get(i)));
            }
        }
    }

    // More is left out at a larger threshold, and what is kept for that is freed at the end: the test extension looks.
    @Test
    void threshold_saysHowMuchIsLeftOut() {
        List<Integer> forwards = new ArrayList<>();
        for (double threshold : new double[] {0, 0.05, 0.2, 0.5, 1}) {
            forwards.add(draw(gradual(StepCache.firstBlock(threshold)).build(), false)
                    .get(0)
                    .timings()
                    .forwards());
        }
        assertThat(forwards).startsWith(STEPS).endsWith(1).isSortedAccordingTo((one, other) -> other - one);
        assertThat(forwards.stream().distinct().count()).isGreaterThan(2);
    }
}
