package io.github.zimage.internal.generation;

import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.Sampler;
import org.bytedeco.pytorch.Tensor;

/**
 * A picture on its way through the steps.
 *
 * @param index its place in the order
 * @param latents [C, h, w] fp32, changed in place
 * @param start where it started
 * @param trajectory moves the latents
 */
record Picture(int index, Tensor latents, InitialLatents.Start start, Sampler.Trajectory trajectory) {
    /** Moves to where the next evaluation begins. */
    void advance(Evaluation at, Tensor velocity) {
        trajectory.advance(at, velocity);
        if (at.endsStep()) {
            start.afterStep(at.step(), latents);
        }
    }
}
