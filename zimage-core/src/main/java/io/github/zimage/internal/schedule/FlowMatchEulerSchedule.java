package io.github.zimage.internal.schedule;

import io.github.zimage.internal.config.SchedulerConfig;
import java.util.Arrays;

/**
 * The noise levels of a generation and the timesteps that belong to them. A port of diffusers'
 * {@code FlowMatchEulerDiscreteScheduler.set_timesteps}, in FP32 as there.
 *
 * @param sigmas noise levels from 1 (noise) to 0 (picture), one more than there are steps
 * @param timesteps what the transformer is told in each step, from 0 (noise) to 1 (picture)
 */
@SuppressWarnings("ArrayRecordComponent") // carries arrays from one place to the next; never compared
public record FlowMatchEulerSchedule(float[] sigmas, float[] timesteps) {
    /** The pipeline of diffusers divides by this, whatever the scheduler's configuration says. */
    private static final float PIPELINE_TIMESTEPS = 1000;

    /**
     * Computes a schedule.
     *
     * @param levels evenly spaced or custom noise levels before the shift, one a step
     * @param imageTokens tokens of the picture, on which a dynamic shift depends
     */
    public static FlowMatchEulerSchedule of(SchedulerConfig config, float[] levels, int imageTokens) {
        float[] sigmas = shifted(config, levels, imageTokens);
        Double terminal = config.shiftTerminal();
        if (terminal != null && terminal != 0) {
            stretchToTerminal(sigmas, terminal);
        }
        float[] timesteps = new float[sigmas.length];
        for (int i = 0; i < sigmas.length; i++) {
            float timestep = sigmas[i] * config.numTrainTimesteps();
            timesteps[i] = (PIPELINE_TIMESTEPS - timestep) / PIPELINE_TIMESTEPS;
        }
        return new FlowMatchEulerSchedule(Arrays.copyOf(sigmas, sigmas.length + 1), timesteps);
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
