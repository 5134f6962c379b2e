package io.github.zimage.internal.generation;

import static io.github.zimage.internal.generation.TransformerProbe.plus;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Protects that a sampler is one class: that it may evaluate the transformer several times a step, at noise levels of its own, keep what it
 * likes of a picture, and get further noise of the picture's own generator. What comes out is compared with steps taken in FP64 from
 * velocities asked for one by one.
 */
final class SamplerSeamTest {
    /** FP32 latents are rounded some ten times on the way, and the transformer turns 2^-24 of them into a few times that. */
    private static final double ROUNDING = 1e-5;

    private static final int STEPS = 3;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
    }

    static List<Map<Component, Residence>> residences() {
        return SeamModel.RESIDENCES;
    }

    /**
     * Runge-Kutta methods of second order: Heun's with alpha 1, the midpoint's with 1/2. The last step, which ends at the picture, is Euler's.
     *
     * @param alpha how far into the step the second evaluation lies
     */
    private record SecondOrder(double alpha) implements Sampler {
        @Override
        public float[] levels(Step step) {
            return step.isLast()
                    ? new float[] {step.sigma()}
                    : new float[] {step.sigma(), (float) (step.sigma() + alpha * (step.nextSigma() - step.sigma()))};
        }

        @Override
        public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
            Tensor start = latents.clone();
            Tensor first = latents.clone();
            return (at, velocity) -> {
                double length = at.step().sigma() - at.step().nextSigma();
                if (at.stages() == 1) {
                    latents.add_(velocity, new Scalar(length));
                } else if (at.beginsStep()) {
                    start.copy_(latents);
                    first.copy_(velocity);
                    latents.add_(velocity, new Scalar(alpha * length));
                } else {
                    latents.copy_(start);
                    latents.add_(first, new Scalar(length * (1 - 1 / (2 * alpha))));
                    latents.add_(velocity, new Scalar(length / (2 * alpha)));
                }
            };
        }

        /** The same in FP64. */
        double[] reference(TransformerProbe transformer, double[] noise, float[] sigmas) {
            double[] x = noise;
            for (int i = 0; i + 1 < sigmas.length; i++) {
                double length = sigmas[i] - sigmas[i + 1];
                double[] v0 = transformer.velocity(x, sigmas[i]);
                if (i + 2 == sigmas.length) {
                    x = plus(x, length, v0);
                    continue;
                }
                float between = (float) (sigmas[i] - alpha * length);
                double[] v1 = transformer.velocity(plus(x, alpha * length, v0), between);
                x = plus(plus(x, length * (1 - 1 / (2 * alpha)), v0), length / (2 * alpha), v1);
            }
            return x;
        }
    }

    /** Goes to the picture and back to the next noise level with fresh noise. */
    private static final class Ancestral implements Sampler {
        @Override
        public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
            List<Tensor> fresh = new ArrayList<>();
            for (int i = 1; i < schedule.steps().size(); i++) {
                fresh.add(noise.next());
            }
            return (at, velocity) -> {
                latents.add_(velocity, new Scalar(at.sigma()));
                if (!at.isLast()) {
                    latents.mul_(new Scalar(1.0 - at.step().nextSigma()));
                    latents.add_(
                            fresh.get(at.step().index()), new Scalar(at.step().nextSigma()));
                }
            };
        }

        static double[] reference(TransformerProbe transformer, double[][] noise, float[] sigmas) {
            double[] x = noise[0];
            for (int i = 0; i + 1 < sigmas.length; i++) {
                double[] picture = plus(x, sigmas[i], transformer.velocity(x, sigmas[i]));
                x = i + 2 == sigmas.length
                        ? picture
                        : plus(plus(new double[x.length], 1.0 - sigmas[i + 1], picture), sigmas[i + 1], noise[i + 1]);
            }
            return x;
        }
    }

    private static double[] euler(TransformerProbe transformer, double[] noise, float[] sigmas) {
        double[] x = noise;
        for (int i = 0; i + 1 < sigmas.length; i++) {
            x = plus(x, sigmas[i] - sigmas[i + 1], transformer.velocity(x, sigmas[i]));
        }
        return x;
    }

    private static TransformerProbe probe(TestEngine engine) {
        return new TransformerProbe(engine, SeamModel.PROMPT, SeamModel.shape(checkpoint));
    }

    @ParameterizedTest
    @CsvSource({"1.0, false", "1.0, true", "0.5, false", "0.5, true", "0.6667, false"})
    void severalEvaluationsAStep(double alpha, boolean streamed) {
        SecondOrder sampler = new SecondOrder(alpha);
        GenerationRequest request = SeamModel.request().steps(STEPS).count(2).build();
        float[] sigmas = SeamModel.sigmas(checkpoint, STEPS);
        try (TestEngine reference = SeamModel.open(checkpoint, Map.of());
                TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            TransformerProbe transformer = probe(reference);
            List<DrawnImage> drawn = engine.generate(engine.order(request, 7).sampledBy(sampler));
            assertThat(drawn).hasSize(2);
            for (int i = 0; i < 2; i++) {
                double[] noise = transformer.noise(7 + i, 1)[0];
                float[] actual = drawn.get(i).latents().values();
                SeamModel.requireClose(actual, sampler.reference(transformer, noise, sigmas), ROUNDING, "picture " + i);
                SeamModel.requireFar(actual, euler(transformer, noise, sigmas), 100 * ROUNDING, "Euler's picture");
            }
        }
    }

    // With guidance and more pictures than go through the blocks at once, all of them take the same way.
    @Test
    void severalEvaluationsAStep_ofManyGuidedPictures() {
        SecondOrder sampler = new SecondOrder(1);
        GenerationRequest request = SeamModel.request()
                .steps(STEPS)
                .count(6)
                .guidance(1.5)
                .negativePrompt("a dog")
                .build();
        float[] sigmas = SeamModel.sigmas(checkpoint, STEPS);
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(1))) {
            List<DrawnImage> drawn = engine.generate(engine.order(request, 7).sampledBy(sampler));
            TransformerProbe positive = probe(engine);
            TransformerProbe negative = new TransformerProbe(engine, "a dog", SeamModel.shape(checkpoint));
            for (int i : new int[] {0, 5}) {
                double[] x = positive.noise(7 + i, 1)[0];
                for (int step = 0; step < STEPS; step++) {
                    double length = sigmas[step] - sigmas[step + 1];
                    double[] v0 = guided(positive, negative, x, sigmas[step]);
                    if (step + 1 == STEPS) {
                        x = plus(x, length, v0);
                    } else {
                        double[] v1 = guided(positive, negative, plus(x, length, v0), sigmas[step + 1]);
                        x = plus(plus(x, length / 2, v0), length / 2, v1);
                    }
                }
                // Guidance enlarges what the two velocities differ by.
                SeamModel.requireClose(drawn.get(i).latents().values(), x, 4 * ROUNDING, "picture " + i);
            }
        }
    }

    private static double[] guided(
            TransformerProbe positive, TransformerProbe negative, double[] latents, float sigma) {
        double[] wanted = positive.velocity(latents, sigma);
        return plus(wanted, 1.5, plus(wanted, -1, negative.velocity(latents, sigma)));
    }

    @ParameterizedTest
    @MethodSource("residences")
    void freshNoise_isThatOfThePicturesOwnGenerator(Map<Component, Residence> residences) {
        GenerationRequest request = SeamModel.request().steps(STEPS).count(2).build();
        float[] sigmas = SeamModel.sigmas(checkpoint, STEPS);
        try (TestEngine engine = SeamModel.open(checkpoint, residences)) {
            List<DrawnImage> drawn = engine.generate(engine.order(request, 7).sampledBy(new Ancestral()));
            TransformerProbe transformer = probe(engine);
            for (int i = 0; i < 2; i++) {
                double[] expected = Ancestral.reference(transformer, transformer.noise(7 + i, STEPS), sigmas);
                SeamModel.requireClose(drawn.get(i).latents().values(), expected, ROUNDING, "picture " + i);
            }
            DrawnImage alone = engine.generate(
                            engine.order(SeamModel.request().steps(STEPS).build(), 7)
                                    .sampledBy(new Ancestral()))
                    .get(0);
            assertThat(alone.latents().values())
                    .as("seed 7, drawn by itself")
                    .isEqualTo(drawn.get(0).latents().values());
        }
    }

    // A listener hears of steps, not of evaluations, and of a step when its last evaluation is done.
    @Test
    void listenerHearsOfSteps() {
        List<Integer> heard = new ArrayList<>();
        List<Integer> evaluated = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                assertThat(steps).isEqualTo(STEPS);
                heard.add(evaluated.size());
            }
        };
        Sampler counting = new Sampler() {
            private final Sampler heun = new SecondOrder(1);

            @Override
            public float[] levels(Step step) {
                return heun.levels(step);
            }

            @Override
            public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
                Trajectory way = heun.begin(latents, schedule, noise);
                return (Evaluation at, Tensor velocity) -> {
                    evaluated.add(at.stage());
                    way.advance(at, velocity);
                };
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, Map.of())) {
            Order order =
                    engine.order(SeamModel.request().steps(STEPS).build(), 7).sampledBy(counting);
            Generation.run(engine.model(), order, listener, () -> {}, Relief.NONE);
        }
        assertThat(evaluated).containsExactly(0, 1, 0, 1, 0);
        assertThat(heard).containsExactly(2, 4, 5);
    }
}
