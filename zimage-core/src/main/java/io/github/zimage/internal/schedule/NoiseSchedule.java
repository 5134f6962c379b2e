package io.github.zimage.internal.schedule;

import io.github.zimage.Sampling.Schedule;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.runtime.Tensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The noise levels that pictures pass through and the timesteps that belong to them. A port of diffusers'
 * {@code FlowMatchEulerDiscreteScheduler.set_timesteps}, in FP32 as there.
 */
public final class NoiseSchedule {
    /** The pipeline of diffusers divides by this, whatever the scheduler's configuration says. */
    private static final float PIPELINE_TIMESTEPS = 1000;

    private final float[] sigmas;
    private final int numTrainTimesteps;
    private final List<Step> steps;

    private NoiseSchedule(float[] sigmas, int numTrainTimesteps) {
        this.sigmas = sigmas;
        this.numTrainTimesteps = numTrainTimesteps;
        List<Step> made = new ArrayList<>();
        for (int i = 0; i + 1 < sigmas.length; i++) {
            made.add(new Step(i, sigmas.length - 1, sigmas[i], sigmas[i + 1], timestep(sigmas[i])));
        }
        steps = List.copyOf(made);
    }

    /**
     * Computes the schedule of a flow matching model.
     *
     * @param levels evenly spaced or custom noise levels before the shift, one a step
     * @param imageTokens tokens of the picture, on which a dynamic shift depends
     */
    public static NoiseSchedule flowMatch(SchedulerConfig config, float[] levels, int imageTokens) {
        float[] sigmas = shifted(config, levels, imageTokens);
        Double terminal = config.shiftTerminal();
        if (terminal != null && terminal != 0) {
            stretchToTerminal(sigmas, terminal);
        }
        return new NoiseSchedule(Arrays.copyOf(sigmas, sigmas.length + 1), config.numTrainTimesteps());
    }

    /**
     * Computes one of the schedules that users can choose.
     *
     * @param config says how levels are shifted, where the schedule leaves it open
     * @param imageTokens tokens of the picture, on which a dynamic shift depends
     */
    public static NoiseSchedule of(Schedule schedule, SchedulerConfig config, int steps, int imageTokens) {
        return switch (schedule) {
            case SIMPLE -> flowMatch(config, evenLevels(steps), imageTokens);
            case DYNAMIC -> flowMatch(config.withDynamicShift(), evenLevels(steps), imageTokens);
            default ->
                new NoiseSchedule(
                        Arrays.copyOf(NoiseLevels.of(schedule, config, steps), steps + 1), config.numTrainTimesteps());
        };
    }

    /** Returns evenly spaced levels before the shift, from 1 to {@code 1 / steps}. */
    public static float[] evenLevels(int steps) {
        try (PointerScope scope = new PointerScope()) {
            return Tensors.toFloats(torch.linspace(
                    new Scalar(1.0), new Scalar(1.0 / steps), steps, new TensorOptions(ScalarType.Float)));
        }
    }

    /** Returns noise levels from 1 (noise) to 0 (picture), one more than there are steps. */
    public float[] sigmas() {
        return sigmas.clone();
    }

    /** Returns the steps, of which there is at least one. */
    public List<Step> steps() {
        return steps;
    }

    /** Returns what the transformer is told of a noise level: from 0 (noise) to 1 (picture). */
    public float timestep(float sigma) {
        return (PIPELINE_TIMESTEPS - sigma * numTrainTimesteps) / PIPELINE_TIMESTEPS;
    }

    /**
     * Returns the same without the steps before one of them: that of pictures that begin with less noise.
     *
     * @param firstStep the index of the step that becomes the first
     */
    public NoiseSchedule from(int firstStep) {
        if (firstStep < 0 || firstStep >= steps.size()) {
            throw new IllegalArgumentException(
                    "firstStep must be between 0 and %d, but was %d".formatted(steps.size() - 1, firstStep));
        }
        return firstStep == 0
                ? this
                : new NoiseSchedule(Arrays.copyOfRange(sigmas, firstStep, sigmas.length), numTrainTimesteps);
    }

    private static float[] shifted(SchedulerConfig config, float[] levels, int imageTokens) {
        float[] sigmas = levels.clone();
        double mu = mu(config, imageTokens);
        for (int i = 0; i < sigmas.length; i++) {
            sigmas[i] = config.useDynamicShifting()
                    ? timeShift(config.linearTimeShift() ? mu : Math.exp(mu), sigmas[i])
                    : shift(config.shift(), sigmas[i]);
        }
        return sigmas;
    }

    /** diffusers' {@code calculate_shift}. */
    private static double mu(SchedulerConfig config, int imageTokens) {
        double slope = (config.maxShift() - config.baseShift()) / (config.maxImageSeqLen() - config.baseImageSeqLen());
        double offset = config.baseShift() - slope * config.baseImageSeqLen();
        return imageTokens * slope + offset;
    }

    private static float timeShift(double mu, float sigma) {
        return (float) mu / ((float) mu + (1 / sigma - 1));
    }

    private static float shift(double shift, float sigma) {
        return (float) shift * sigma / (1 + (float) (shift - 1) * sigma);
    }

    private static void stretchToTerminal(float[] sigmas, double terminal) {
        float scale = (1 - sigmas[sigmas.length - 1]) / (float) (1 - terminal);
        for (int i = 0; i < sigmas.length; i++) {
            sigmas[i] = 1 - (1 - sigmas[i]) / scale;
        }
    }
}
