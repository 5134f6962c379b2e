package io.github.zimage.internal.schedule;

import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Euler's step to a level below the next one, and noise up to it, in the form for flow matching: what remains of the picture is scaled, so
 * that picture and noise have the shares that the level says. k-diffusion's {@code get_ancestral_step} with eta 1 is for variance-exploding
 * models, where nothing is scaled.
 */
public final class EulerAncestralSampler implements Sampler {
    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        List<Tensor> fresh = LcmSampler.drawn(schedule.steps().size() - 1, noise);
        return (at, velocity) -> {
            double sigma = at.sigma();
            double next = at.step().nextSigma();
            double down = next * next / sigma;
            latents.add_(velocity, new Scalar(sigma - down));
            if (!at.isLast()) {
                double scale = (1 - next) / (1 - down);
                double share = Math.sqrt(next * next - down * down * scale * scale);
                latents.mul_(new Scalar(scale)).add_(fresh.get(at.step().index()), new Scalar(share));
            }
        };
    }
}
