package io.github.zimage.internal.schedule;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Takes the picture for what the transformer sees in it, and adds fresh noise of the next level:
 * {@code x' = (1 - sigma') * x0 + sigma' * noise}. diffusers' {@code FlowMatchLCMScheduler.step}, with noise of the picture's own generator.
 */
public final class LcmSampler implements Sampler {
    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        List<Tensor> fresh = drawn(schedule.steps().size() - 1, noise);
        return (at, velocity) -> {
            float next = at.step().nextSigma();
            latents.copy_(Prediction.picture(latents, at.sigma(), velocity));
            if (!at.isLast()) {
                latents.mul_(new Scalar(1.0 - next)).add_(fresh.get(at.step().index()), new Scalar(next));
            }
        };
    }

    /** Returns noise for so many steps, drawn now: copying it to a GPU later would wait for it. */
    static List<Tensor> drawn(int count, NoiseSource noise) {
        List<Tensor> fresh = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            fresh.add(noise.next());
        }
        return fresh;
    }
}
