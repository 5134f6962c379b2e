package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Heun's method, of second order: Euler's step to the next level, the velocity there, and the step again with the mean of both. The last step
 * is Euler's, since nothing is evaluated without noise. Two evaluations a step: {@code 2 * steps - 1} in all.
 */
public final class HeunSampler implements Sampler {
    @Override
    public float[] levels(Step step) {
        return step.isLast() ? new float[] {step.sigma()} : new float[] {step.sigma(), step.nextSigma()};
    }

    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        Tensor first = latents.clone();
        return (at, velocity) -> {
            double change = (double) at.step().sigma() - at.step().nextSigma();
            if (at.beginsStep()) {
                first.copy_(velocity);
                latents.add_(velocity, new Scalar(change));
            } else {
                latents.add_(velocity.sub_(first), new Scalar(change / 2));
            }
        };
    }
}
