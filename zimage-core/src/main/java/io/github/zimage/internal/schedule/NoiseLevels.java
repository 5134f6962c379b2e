package io.github.zimage.internal.schedule;

import io.github.zimage.Sampling.Schedule;
import io.github.zimage.internal.config.SchedulerConfig;

/**
 * The noise levels of the schedules that ComfyUI has beside the model's own, after the shift, without the last 0. Functions of
 * {@code comfy/samplers.py} and {@code comfy/k_diffusion/sampling.py} for {@code ModelSamplingDiscreteFlow}: a table of 1000 shifted levels.
 */
final class NoiseLevels {
    private static final int TABLE = 1000;
    private static final double KARRAS_RHO = 7;
    private static final double BETA = 0.6;

    private final double shift;
    private final int steps;
    /** The lowest level of the table. */
    private final double lowest;

    private NoiseLevels(double shift, int steps) {
        this.shift = shift;
        this.steps = steps;
        lowest = shifted(1.0 / TABLE);
    }

    /**
     * Returns falling levels, one a step.
     *
     * @param schedule none of those that shift as the configuration says
     */
    static float[] of(Schedule schedule, SchedulerConfig config, int steps) {
        return new NoiseLevels(config.shift(), steps).levels(schedule);
    }

    private float[] levels(Schedule schedule) {
        BetaQuantiles quantiles = new BetaQuantiles(BETA, steps, TABLE - 1);
        float[] levels = new float[steps];
        for (int i = 0; i < steps; i++) {
            levels[i] = (float)
                    switch (schedule) {
                        case SGM_UNIFORM -> shifted(mix(1, lowest, (double) i / steps));
                        case NORMAL -> shifted(mix(1, lowest, share(i)));
                        case BETA -> shifted((quantiles.index(i) + 1) / TABLE);
                        case KARRAS -> Math.pow(mix(1, Math.pow(lowest, 1 / KARRAS_RHO), share(i)), KARRAS_RHO);
                        case EXPONENTIAL -> Math.exp(share(i) * Math.log(lowest));
                        case KL_OPTIMAL -> Math.tan(mix(Math.atan(1), Math.atan(lowest), share(i)));
                        case SIMPLE, DYNAMIC -> throw new IllegalArgumentException(schedule + " has no levels here");
                    };
        }
        return levels;
    }

    /** From 0 at the first step to 1 at the last. */
    private double share(int step) {
        return steps == 1 ? 0 : (double) step / (steps - 1);
    }

    private double shifted(double level) {
        return shift * level / (1 + (shift - 1) * level);
    }

    private static double mix(double from, double to, double share) {
        return from + (to - from) * share;
    }
}
