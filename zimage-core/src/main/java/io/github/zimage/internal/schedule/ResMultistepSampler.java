package io.github.zimage.internal.schedule;

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
        return new TwoPictureTrajectory(latents, schedule, (h, before) -> {
            double phi1 = -Math.expm1(-h) / h;
            double phi2 = (1 - phi1) / h;
            return -h * h * phi2 / before;
        });
    }
}
