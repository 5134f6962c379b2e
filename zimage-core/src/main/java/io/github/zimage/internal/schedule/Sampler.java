package io.github.zimage.internal.schedule;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * How pictures get from one noise level to the next. Has no state, so that one serves all pictures; what a picture needs from earlier steps
 * is in its {@link Trajectory}.
 *
 * <p>With latents x at the noise level sigma, the transformer's velocity v is that towards the picture: {@code dx / dsigma = -v}, and what it
 * takes the picture to be is {@code x + sigma * v}.
 */
public interface Sampler {
    /**
     * Returns the noise levels at which a step needs the velocity, in order, so that their number is what the step costs. The first is that
     * at which the step begins. One that belongs to no step of the schedule costs a modulation of its own.
     */
    default float[] levels(Step step) {
        return new float[] {step.sigma()};
    }

    /** Returns all evaluations of the transformer by which the steps of a schedule are taken, in order. */
    default List<Evaluation> evaluations(NoiseSchedule schedule) {
        List<Evaluation> evaluations = new ArrayList<>();
        for (Step step : schedule.steps()) {
            float[] levels = levels(step);
            for (int stage = 0; stage < levels.length; stage++) {
                float timestep = schedule.timestep(levels[stage]);
                evaluations.add(new Evaluation(step, stage, levels.length, levels[stage], timestep));
            }
        }
        return List.copyOf(evaluations);
    }

    /**
     * Begins a picture. What is made here can be used until the pictures are done; what is made later only until the call returns.
     *
     * @param latents [C, h, w] fp32, which the trajectory changes in place
     * @param noise gives fresh noise of the picture; copying it to a GPU waits, so whoever needs some in each step takes it now
     */
    Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise);

    /** The way of one picture. */
    interface Trajectory {
        /**
         * Moves the latents to where the next evaluation, or the next step, begins. Must not ask the device for a number.
         *
         * @param at what has been evaluated
         * @param velocity what came out, [C, h, w] fp32; may be overwritten
         */
        void advance(Evaluation at, Tensor velocity);
    }
}
