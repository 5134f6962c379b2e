package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * DPM-Solver++ (2M), a multistep method of second order: the picture is extrapolated from this evaluation and the one before. The form is
 * k-diffusion's {@code sample_dpmpp_2m} in {@code lambda = -ln(sigma)}, which holds for flow matching as it stands, since
 * {@code dx / dsigma = (x - x0) / sigma}; in it the level 1 is no pole. First and last step are of first order.
 *
 * <p>Lu et al., DPM-Solver++ (arXiv 2211.01095), algorithm 2.
 */
public final class DpmSolver2MSampler implements Sampler {
    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        return new Way(latents, schedule.sigmas());
    }

    private static final class Way implements Trajectory {
        private final Tensor latents;
        private final float[] sigmas;
        private final Tensor previous;

        Way(Tensor latents, float[] sigmas) {
            this.latents = latents;
            this.sigmas = sigmas;
            previous = latents.clone();
        }

        @Override
        public void advance(Evaluation at, Tensor velocity) {
            int i = at.step().index();
            Tensor picture = Prediction.picture(latents, at.sigma(), velocity);
            double decay = (double) sigmas[i + 1] / sigmas[i]; // exp(-h)
            latents.mul_(new Scalar(decay));
            if (i == 0 || at.isLast()) {
                latents.add_(picture, new Scalar(1 - decay));
            } else {
                double ratio = Math.log((double) sigmas[i - 1] / sigmas[i]) / -Math.log(decay);
                double extrapolated = 1 / (2 * ratio);
                latents.add_(picture, new Scalar((1 - decay) * (1 + extrapolated)));
                latents.add_(previous, new Scalar((decay - 1) * extrapolated));
            }
            previous.copy_(picture);
        }
    }
}
