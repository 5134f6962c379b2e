package io.github.zimage.internal.schedule;

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
        return new TwoPictureTrajectory(latents, schedule, (h, before) -> Math.expm1(-h) * h / (2 * before));
    }
}
