package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * An exponential integrator of second order with two evaluations' memory, "RES" in ComfyUI ({@code sample_res_multistep} without noise), in
 * {@code lambda = -ln(sigma)}. First and last step are Euler's.
 *
 * <p>Zhang and others, Improved order analysis and design of exponential integrator for diffusion models sampling (arXiv 2308.02157).
 */
public final class ResMultistepSampler implements Sampler {
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
                double h = -Math.log(decay);
                double before =
                        Math.log((double) sigmas[i] / sigmas[i - 1]) / h; // where the previous one lies, in steps
                double phi1 = -Math.expm1(-h) / h;
                double phi2 = (1 - phi1) / h;
                latents.add_(picture, new Scalar(h * (phi1 - phi2 / before)));
                latents.add_(previous, new Scalar(h * phi2 / before));
            }
            previous.copy_(picture);
        }
    }
}
