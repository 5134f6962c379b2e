package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** Follows the velocity: diffusers' {@code FlowMatchEulerDiscreteScheduler.step}. */
public final class EulerSampler implements Sampler {
    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        return (at, velocity) -> {
            float change = at.step().nextSigma() - at.step().sigma();
            latents.add_(velocity, new Scalar(-change));
        };
    }
}
