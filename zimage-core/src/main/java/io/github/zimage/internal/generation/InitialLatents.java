package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Step;
import org.bytedeco.pytorch.Tensor;

/** Where the pictures of a request start on a schedule. */
public interface InitialLatents {
    /** Does what has to be done before denoising, such as encoding pictures, in phases of its own; returns what to go on with. */
    default InitialLatents prepare(Session session) {
        return this;
    }

    /** Returns what hears of the steps from here, such as one that counts those before them, too. */
    default GenerationListener heard(GenerationListener listener) {
        return listener;
    }

    /**
     * Returns the noise levels before the scheduler's shift that the pictures pass through, one a step, such as lower ones for those that start with
     * less noise.
     */
    default float[] levels(float[] whole) {
        return whole;
    }

    /** Returns of how many steps a schedule with levels of its own is, of which {@link #schedule} takes the last. */
    default int wholeSteps(int steps) {
        return steps;
    }

    /** Returns the schedule that the pictures pass through, such as the rest of the whole one for those that start with less noise. */
    default NoiseSchedule schedule(NoiseSchedule whole) {
        return whole;
    }

    /**
     * Begins a picture. What is made here can be used until the pictures are done.
     *
     * @param picture its index in the order
     * @param schedule as {@link #schedule} returned it
     * @param noise that of the picture, of which nothing has been drawn
     * @param place where the latents shall lie
     */
    Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place);

    /** Returns a picture as it is handed out, such as put back into the one that it started from. */
    default DrawnImage finish(DrawnImage drawn) {
        return drawn;
    }

    /** The start of one picture. */
    interface Start {
        /** Returns the latents at the schedule's first noise level, [C, h, w] fp32, which will be overwritten. Called once. */
        Tensor latents();

        /**
         * Changes the latents in place after a step, such as those outside a mask. Must not ask the device for a number.
         *
         * @param latents at the noise level that the step led to
         */
        default void afterStep(Step step, Tensor latents) {}
    }
}
