package io.github.zimage.internal.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import io.github.zimage.internal.config.SchedulerConfig;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Holds noise levels and times against those of FlowMatchEulerDiscreteScheduler and the Z-Image pipeline in diffusers 0.42.1,
 * called with {@code set_timesteps(sigmas=levels, mu=calculate_shift(imageTokens, ...))}.
 */
final class NoiseScheduleTest {
    private static final SchedulerConfig TURBO = new SchedulerConfig(1000, 3, false, 0.5, 1.15, 256, 4096, null, false);

    /** One unit in the last place of numbers up to 1. NumPy rounds some intermediate results to FP64, some to FP32. */
    private static final float ULP = 6e-8f;

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void schedule_isThatOfDiffusers(
            String name, SchedulerConfig config, float[] levels, int imageTokens, float[] sigmas, float[] timesteps) {
        NoiseSchedule schedule = NoiseSchedule.flowMatch(config, levels, imageTokens);
        assertThat(schedule.sigmas()).containsExactly(sigmas, offset(ULP));
        float[] actual = new float[schedule.steps().size()];
        schedule.steps().forEach(step -> actual[step.index()] = step.timestep());
        assertThat(actual).containsExactly(timesteps, offset(ULP));
    }

    static Stream<Arguments> schedule_isThatOfDiffusers() {
        return Stream.of(
                Arguments.of(
                        "Turbo in 8 steps",
                        TURBO,
                        levels(8),
                        4096,
                        floats(1, 0.95454544f, 0.9f, 0.8333333f, 0.75f, 0.64285713f, 0.5f, 0.3f, 0),
                        floats(0, 0.04545459f, 0.1f, 0.16666669f, 0.25f, 0.3571429f, 0.5f, 0.7f)),
                Arguments.of("Turbo in 1 step", TURBO, levels(1), 4096, floats(1, 0), floats(0)),
                Arguments.of(
                        "levels of one's own",
                        TURBO,
                        floats(0.9f, 0.5f, 0.05f),
                        4096,
                        floats(0.9642857f, 0.75f, 0.13636364f, 0),
                        floats(0.035714354f, 0.25f, 0.8636364f)),
                Arguments.of(
                        "dynamic shift",
                        new SchedulerConfig(1000, 1, true, 0.5, 1.15, 256, 4096, null, false),
                        levels(4),
                        1024,
                        floats(1, 0.8492348f, 0.6524894f, 0.38494474f, 0),
                        floats(0, 0.1507652f, 0.34751055f, 0.6150553f)),
                Arguments.of(
                        "dynamic shift beyond its range",
                        new SchedulerConfig(1000, 1, true, 0.3, 2, 64, 1000, null, false),
                        levels(3),
                        4096,
                        floats(1, 0.99975556f, 0.9990229f, 0),
                        floats(0, 0.0002444458f, 0.0009771119f)),
                Arguments.of(
                        "linear dynamic shift",
                        new SchedulerConfig(1000, 1, true, 0.5, 1.15, 256, 4096, null, true),
                        levels(4),
                        1024,
                        floats(1, 0.6539792f, 0.38650307f, 0.1735537f, 0),
                        floats(0, 0.34602082f, 0.61349696f, 0.8264463f)),
                Arguments.of(
                        "stretched to a last level",
                        new SchedulerConfig(1000, 3, false, 0.5, 1.15, 256, 4096, 0.1, false),
                        levels(4),
                        1024,
                        floats(1, 0.81999993f, 0.55f, 0.10000002f, 0),
                        floats(0, 0.18000007f, 0.45f, 0.9f)),
                Arguments.of(
                        "dynamic shift, stretched",
                        new SchedulerConfig(1000, 1, true, 0.5, 1.15, 256, 4096, 0.02, false),
                        levels(4),
                        2500,
                        floats(1, 0.7852854f, 0.48176938f, 0.01999998f, 0),
                        floats(0, 0.2147146f, 0.5182306f, 0.98f)),
                Arguments.of(
                        "trained on 500 times",
                        new SchedulerConfig(500, 3, false, 0.5, 1.15, 256, 4096, null, false),
                        levels(4),
                        1024,
                        floats(1, 0.9f, 0.75f, 0.5f, 0),
                        floats(0.5f, 0.55f, 0.625f, 0.75f)));
    }

    private static float[] levels(int steps) {
        float[] levels = new float[steps];
        for (int i = 0; i < steps; i++) {
            levels[i] = (float) (steps - i) / steps;
        }
        return levels;
    }

    private static float[] floats(float... values) {
        return values;
    }
}
