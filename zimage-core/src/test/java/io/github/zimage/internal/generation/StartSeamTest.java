package io.github.zimage.internal.generation;

import static io.github.zimage.internal.generation.TransformerProbe.plus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Protects that where pictures start is one class: at a later noise level, from what a phase before has found out, with something put back
 * after each step. What comes out is compared with steps taken in FP64 from velocities asked for one by one.
 */
final class StartSeamTest {
    /** As for samplers: a few times what FP32 latents are rounded by. */
    private static final double ROUNDING = 1e-5;

    private static final int STEPS = 4;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;
    private static int[] shape;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
        shape = SeamModel.shape(checkpoint);
    }

    static List<Map<Component, Residence>> residences() {
        return SeamModel.RESIDENCES;
    }

    /**
     * Pictures that begin as others with noise, of which the left half is put back after each step at the noise level that it led to.
     *
     * @param pictures one for each
     * @param firstStep the first step of the schedule that is taken
     */
    private record LeftHalf(List<Latents> pictures, int firstStep) implements InitialLatents {
        @Override
        public NoiseSchedule schedule(NoiseSchedule whole) {
            return whole.from(firstStep);
        }

        @Override
        public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
            Latents given = pictures.get(picture);
            Tensor original = place.of(given.values(), given.channels(), given.height(), given.width());
            Tensor own = noise.next();
            return new Start() {
                @Override
                public Tensor latents() {
                    return mixed(schedule.steps().get(0).sigma());
                }

                private Tensor mixed(double sigma) {
                    return original.mul(new Scalar(1 - sigma)).add_(own, new Scalar(sigma));
                }

                @Override
                public void afterStep(Step step, Tensor latents) {
                    long half = latents.size(2) / 2;
                    latents.narrow(2, 0, half).copy_(mixed(step.nextSigma()).narrow(2, 0, half));
                }
            };
        }

        /** The same in FP64. */
        static double[] reference(
                TransformerProbe transformer, double[] original, double[] noise, float[] sigmas, int firstStep) {
            double[] x = mixed(original, noise, sigmas[firstStep]);
            for (int i = firstStep; i + 1 < sigmas.length; i++) {
                x = plus(x, sigmas[i] - sigmas[i + 1], transformer.velocity(x, sigmas[i]));
                double[] back = mixed(original, noise, sigmas[i + 1]);
                for (int at = 0; at < x.length; at++) {
                    if (at % shape[2] < shape[2] / 2) {
                        x[at] = back[at];
                    }
                }
            }
            return x;
        }

        private static double[] mixed(double[] original, double[] noise, double sigma) {
            return plus(plus(new double[noise.length], 1 - sigma, original), sigma, noise);
        }
    }

    private static List<Latents> originals(int count) {
        Random random = new Random(3);
        List<Latents> originals = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            float[] values = new float[shape[0] * shape[1] * shape[2]];
            for (int at = 0; at < values.length; at++) {
                values[at] = (float) random.nextGaussian();
            }
            originals.add(Latents.of(shape[0], shape[1], shape[2], values));
        }
        return originals;
    }

    @ParameterizedTest
    @CsvSource({"0, false", "1, false", "1, true", "3, false"})
    void laterStart_withAHalfPutBack(int firstStep, boolean streamed) {
        GenerationRequest request = SeamModel.request().steps(STEPS).count(2).build();
        List<Latents> originals = originals(2);
        float[] sigmas = SeamModel.sigmas(checkpoint, STEPS);
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            List<DrawnImage> drawn =
                    engine.generate(engine.order(request, 7).startingFrom(new LeftHalf(originals, firstStep)));
            TransformerProbe transformer = new TransformerProbe(engine, SeamModel.PROMPT, shape);
            for (int i = 0; i < 2; i++) {
                double[] original = TransformerProbe.doubles(originals.get(i).values());
                double[] expected =
                        LeftHalf.reference(transformer, original, transformer.noise(7 + i, 1)[0], sigmas, firstStep);
                float[] actual = drawn.get(i).latents().values();
                SeamModel.requireClose(actual, expected, ROUNDING, "picture " + i);
                for (int at = 0; at < actual.length; at++) {
                    if (at % shape[2] < shape[2] / 2) {
                        assertThat(actual[at])
                                .as("what was put back last, without noise")
                                .isEqualTo((float) original[at]);
                    }
                }
                assertThat(drawn.get(i).timings().steps()).hasSize(STEPS - firstStep);
            }
        }
    }

    @Test
    void listenerHearsOfTheStepsThatAreLeft() {
        List<Integer> heard = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                assertThat(steps).isEqualTo(2);
                heard.add(step);
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            Order order = engine.order(SeamModel.request().steps(STEPS).build(), 7)
                    .startingFrom(new LeftHalf(originals(1), 2));
            Generation.run(engine.model(), order, listener, () -> {}, Relief.NONE);
        }
        assertThat(heard).containsExactly(1, 2);
    }

    // Requests are shared out among devices: a part must start where those pictures start in the whole.
    @Test
    void partOfAnOrder_startsWhereItsPicturesDo() {
        GenerationRequest request = SeamModel.request().steps(STEPS).count(3).build();
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            Order whole = engine.order(request, 7).startingFrom(new LeftHalf(originals(3), 1));
            List<DrawnImage> all = engine.generate(whole);
            GenerationRequest last =
                    request.toBuilder().count(1).seed(request.seedOf(2)).build();
            DrawnImage alone = engine.generate(whole.part(last, 2)).get(0);
            assertThat(alone.latents().values()).isEqualTo(all.get(2).latents().values());
            assertThat(alone.latents().values())
                    .isNotEqualTo(all.get(1).latents().values());
        }
    }

    /** Where another generation, in the phases of this one, has got to: a start that needs the model. */
    private static final class SecondPass implements InitialLatents {
        private final Order first;
        private final int[] prepared;

        SecondPass(Order first, int[] prepared) {
            this.first = first;
            this.prepared = prepared;
        }

        @Override
        public InitialLatents prepare(Session session) {
            prepared[0]++;
            List<Latents> found = new ArrayList<>();
            for (DrawnImage each :
                    Generation.run(session.model(), first, session.listener(), session.cancellation(), Relief.NONE)) {
                found.add(each.latents());
            }
            return new LeftHalf(found, 2);
        }

        @Override
        public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
            throw new AssertionError("what was prepared goes on");
        }
    }

    @ParameterizedTest
    @MethodSource("residences")
    void startThatRunsPhasesBefore(Map<Component, Residence> residences) {
        GenerationRequest request = SeamModel.request().steps(STEPS).build();
        float[] sigmas = SeamModel.sigmas(checkpoint, STEPS);
        int[] prepared = new int[1];
        try (TestEngine engine = SeamModel.open(checkpoint, residences)) {
            Order first = engine.order(request, 7);
            double[] original = TransformerProbe.doubles(
                    engine.generate(first).get(0).latents().values());
            DrawnImage drawn = engine.generate(first.startingFrom(new SecondPass(first, prepared)))
                    .get(0);
            TransformerProbe transformer = new TransformerProbe(engine, SeamModel.PROMPT, shape);
            double[] expected =
                    LeftHalf.reference(transformer, original, transformer.noise(7, 1)[0], sigmas, 2);
            SeamModel.requireClose(drawn.latents().values(), expected, ROUNDING, "the second pass");
            SeamModel.requireFar(drawn.latents().values(), original, 100 * ROUNDING, "the first pass");
        }
        assertThat(prepared).as("once, although the order is drawn once").containsExactly(1);
    }

    @Test
    void startThatFails_endsTheRequest_andTheNextIsRight() {
        GenerationRequest request = SeamModel.request().steps(STEPS).build();
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(1))) {
            Order order = engine.order(request, 7);
            float[] expected = engine.generate(order).get(0).latents().values();
            InitialLatents failing = new InitialLatents() {
                @Override
                public InitialLatents prepare(Session session) {
                    return session.run(Phase.TEXT, () -> {
                        throw new IllegalStateException("no such picture");
                    });
                }

                @Override
                public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
                    return noise::next;
                }
            };
            assertThatThrownBy(() -> engine.generate(order.startingFrom(failing)))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("no such picture");
            assertThat(engine.generate(order).get(0).latents().values()).isEqualTo(expected);
        }
    }
}
