package io.github.zimage.internal.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.Sampling.Schedule;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.runtime.Tensors;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Holds samplers against diffusers, against their formulas in FP64 ({@code tools/parity/make_sampler_fixtures.py}), and against flows whose
 * end is known.
 */
final class SamplersTest {
    private static final SchedulerConfig TURBO = new SchedulerConfig(1000, 3, false, 0.5, 1.15, 256, 4096, null, false);
    private static final JsonNode FIXTURE = fixture();

    private static final double MEAN = 0.7;
    private static final double DEVIATION = 0.4;

    /** Latents are up to 6 here and are sums of up to ten FP32 numbers of that size, each rounded by 2^-24 of itself. */
    private static final float ROUNDING = 3e-6f;

    @ParameterizedTest
    @EnumSource(io.github.zimage.Sampling.Sampler.class)
    void givenVelocities_leadWhereTheReferenceLeads(io.github.zimage.Sampling.Sampler chosen) {
        float[][] expected = rows(chosen.id());
        float[][] velocity = rows("velocity");
        float[][] noise = rows("noise");
        int[] next = {0};
        Sampler sampler = Samplers.of(chosen);
        NoiseSchedule schedule = NoiseSchedule.of(Schedule.SIMPLE, TURBO, expected.length, 64);
        assertThat(schedule.sigmas())
                .containsExactly(row(FIXTURE.get("levels")), within(6e-8f)); // a unit in the last place
        List<Evaluation> evaluations = sampler.evaluations(schedule);
        assertThat(evaluations).hasSize(chosen.evaluations(expected.length));
        try (PointerScope scope = new PointerScope()) {
            Tensor latents = tensor(row(FIXTURE.get("start")));
            Sampler.Trajectory way = sampler.begin(latents, schedule, () -> tensor(noise[next[0]++]));
            for (int i = 0; i < evaluations.size(); i++) {
                Evaluation at = evaluations.get(i);
                try (PointerScope inner = new PointerScope()) {
                    way.advance(at, tensor(velocity[i]));
                }
                if (at.endsStep()) {
                    assertThat(Tensors.toFloats(latents))
                            .as("after step %s", at.step().number())
                            .containsExactly(expected[at.step().index()], within(ROUNDING));
                }
            }
        }
    }

    // A model that always sees the same picture must lead to it, whatever the sampler adds on the way.
    @ParameterizedTest
    @EnumSource(io.github.zimage.Sampling.Sampler.class)
    void constantPicture_isReached(io.github.zimage.Sampling.Sampler chosen) {
        float[] picture = {-2, -0.5f, 0, 0.25f, 1, 3};
        try (PointerScope scope = new PointerScope()) {
            Tensor seen = tensor(picture);
            Tensor end = drawn(Samplers.of(chosen), turbo(7), torch.randn(6), (x, sigma) -> seen);
            assertThat(Tensors.toFloats(end)).containsExactly(picture, within(2e-6f)); // roundings of numbers up to 3
        }
    }

    /**
     * On the flow of a normal distribution, whose velocity and end are known, half the step must cut the error by 2 to the power of the order.
     * In FP64, since rounding has no order; the bound leaves room for terms of higher order, which 160 steps still have.
     */
    @ParameterizedTest
    @CsvSource({"EULER,1", "HEUN,2", "DPMPP_2M,2", "RES_MULTISTEP,2", "UNI_PC,2"})
    void smoothFlow_isFollowedWithTheOrderOfTheSampler(io.github.zimage.Sampling.Sampler chosen, int order) {
        double coarse = errorOnNormalFlow(chosen, 160);
        double fine = errorOnNormalFlow(chosen, 320);
        assertThat(Math.log(coarse / fine) / Math.log(2)).isCloseTo(order, within(0.25));
    }

    // Picture and noise must have their shares after each step, or pictures turn out flat or grainy.
    @ParameterizedTest
    @EnumSource(
            value = io.github.zimage.Sampling.Sampler.class,
            names = {"LCM", "EULER_ANCESTRAL", "DPMPP_SDE"})
    void noisySampler_endsInTheDistributionOfPictures(io.github.zimage.Sampling.Sampler chosen) {
        try (PointerScope scope = new PointerScope()) {
            torch.manual_seed(3);
            Tensor end = drawn(Samplers.of(chosen), turbo(200), torch.randn(20_000), SamplersTest::seenOfNormal);
            double mean = torch.mean(end).item_double();
            double deviation = torch.std(end).item_double();
            // Of 20,000 samples, mean and deviation are uncertain by 0.4 % and 0.4 %; 200 steps leave some percent of
            // the deviation.
            assertThat(mean).isCloseTo(MEAN, within(0.02));
            if (chosen != io.github.zimage.Sampling.Sampler.LCM) { // which ends in what is seen, not in samples
                assertThat(deviation).isCloseTo(DEVIATION, within(0.05 * DEVIATION));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8, 9, 28})
    void schedules_areThoseOfComfyUi(int steps) {
        for (Schedule schedule : Schedule.values()) {
            JsonNode expected = FIXTURE.get("schedule." + schedule.id() + "." + steps);
            if (schedule == Schedule.SIMPLE || schedule == Schedule.DYNAMIC) {
                assertThat(expected).isNull(); // those of diffusers, see NoiseScheduleTest
            } else {
                float[] levels = NoiseSchedule.of(schedule, TURBO, steps, 64).sigmas();
                assertThat(levels).hasSize(steps + 1).endsWith(0f);
                assertThat(Arrays.copyOf(levels, steps))
                        .as("%s", schedule)
                        .containsExactly(row(expected), within(1e-7f)); // FP64, rounded once
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Schedule.class)
    void manySteps_fallStrictly(Schedule schedule) {
        float[] levels = NoiseSchedule.of(schedule, TURBO, 900, 64).sigmas();
        for (int i = 1; i < levels.length; i++) {
            assertThat(levels[i]).as("level %s", i).isLessThan(levels[i - 1]);
        }
    }

    private static double errorOnNormalFlow(io.github.zimage.Sampling.Sampler chosen, int steps) {
        double start = 1.5;
        try (PointerScope scope = new PointerScope()) {
            Tensor latents = tensor(new float[] {(float) start}).to(ScalarType.Double);
            NoiseSchedule even = NoiseSchedule.flowMatch(TURBO.withShift(1), NoiseSchedule.evenLevels(steps), 64);
            double end = drawn(Samplers.of(chosen), even, latents, SamplersTest::seenOfNormal)
                    .item_double();
            return Math.abs(end - (MEAN + DEVIATION * start));
        }
    }

    /** The mean picture behind x where pictures are normally distributed. */
    private static Tensor seenOfNormal(Tensor x, double sigma) {
        double share = 1 - sigma;
        double gain = share * DEVIATION * DEVIATION / (share * share * DEVIATION * DEVIATION + sigma * sigma);
        return x.sub(new Scalar(share * MEAN)).mul_(new Scalar(gain)).add_(new Scalar(MEAN));
    }

    private static Tensor drawn(
            Sampler sampler, NoiseSchedule schedule, Tensor latents, BiFunction<Tensor, Double, Tensor> seen) {
        Sampler.Trajectory way = sampler.begin(latents, schedule, () -> torch.randn_like(latents));
        for (Evaluation at : sampler.evaluations(schedule)) {
            try (PointerScope inner = new PointerScope()) {
                Tensor velocity =
                        seen.apply(latents, (double) at.sigma()).sub(latents).div_(new Scalar((double) at.sigma()));
                way.advance(at, velocity);
            }
        }
        return latents;
    }

    private static NoiseSchedule turbo(int steps) {
        return NoiseSchedule.of(Schedule.SIMPLE, TURBO, steps, 64);
    }

    private static Tensor tensor(float[] values) {
        return Tensors.of(values, values.length);
    }

    private static float[][] rows(String name) {
        List<float[]> rows = new ArrayList<>();
        FIXTURE.get(name).forEach(node -> rows.add(row(node)));
        return rows.toArray(new float[0][]);
    }

    private static float[] row(JsonNode node) {
        float[] row = new float[node.size()];
        for (int i = 0; i < row.length; i++) {
            row[i] = (float) node.get(i).doubleValue();
        }
        return row;
    }

    private static JsonNode fixture() {
        try (InputStream in = Objects.requireNonNull(SamplersTest.class.getResourceAsStream("/samplers.json"))) {
            return new ObjectMapper().readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
