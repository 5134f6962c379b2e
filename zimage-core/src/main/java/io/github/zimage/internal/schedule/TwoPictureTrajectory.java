package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * A multistep method of second order in {@code lambda = -ln(sigma)}: the latents go on with this evaluation's picture and the one before. First
 * and last step are of first order.
 */
final class TwoPictureTrajectory implements Sampler.Trajectory {
    private final Tensor latents;
    private final float[] sigmas;
    private final Weights weights;
    private final Tensor previous;

    /** How much of the picture before a step takes, from its length {@code h} and that of the step before, both in lambda. */
    interface Weights {
        /**
         * Returns the weight of the picture before; that of this evaluation's is {@code 1 - exp(-h)} less it.
         *
         * @param h the step's length
         * @param before that of the step before
         */
        double previous(double h, double before);
    }

    TwoPictureTrajectory(Tensor latents, NoiseSchedule schedule, Weights weights) {
        this.latents = latents;
        this.sigmas = schedule.sigmas();
        this.weights = weights;
        previous = latents.clone();
    }

    @Override
    public void advance(Evaluation at, Tensor velocity) {
        int i = at.step().index();
        Tensor picture = Prediction.picture(latents, at.sigma(), velocity);
        double decay = (double) sigmas[i + 1] / sigmas[i]; // exp(-h)
        latents.mul_(new Scalar(decay));
        double share = i == 0 || at.isLast()
                ? 0
                : weights.previous(-Math.log(decay), Math.log((double) sigmas[i - 1] / sigmas[i]));
        latents.add_(picture, new Scalar(1 - decay - share));
        if (share != 0) {
            latents.add_(previous, new Scalar(share));
        }
        previous.copy_(picture);
    }
}
