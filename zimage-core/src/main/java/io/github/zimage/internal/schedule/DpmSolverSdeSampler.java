package io.github.zimage.internal.schedule;

import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * DPM-Solver++ (SDE) with its middle at half the step, eta 1: k-diffusion's {@code sample_dpmpp_sde} in the form for flow matching, where
 * {@code lambda = ln((1 - sigma) / sigma)}. Two evaluations a step, the last one excepted. Its two portions of noise belong to one Brownian
 * path of the picture's generator.
 */
public final class DpmSolverSdeSampler implements Sampler {
    /** What is taken for the level 1, at which lambda has a pole: 1 - 1e-4 after a shift by 3. */
    private static final double MAX_SIGMA = 0.99996666;

    @Override
    public float[] levels(Step step) {
        return step.isLast() ? new float[] {step.sigma()} : new float[] {step.sigma(), (float) middle(step)};
    }

    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        return new Way(latents, LcmSampler.drawn(2 * (schedule.steps().size() - 1), noise));
    }

    private static double middle(Step step) {
        return 1 / (1 + Math.exp((lambda(step.sigma()) + lambda(step.nextSigma())) / 2));
    }

    private static double lambda(double sigma) {
        double level = Math.min(sigma, MAX_SIGMA);
        return Math.log((1 - level) / level);
    }

    private static final class Way implements Trajectory {
        private final Tensor latents;
        private final List<Tensor> fresh;
        private final Tensor begun;

        Way(Tensor latents, List<Tensor> fresh) {
            this.latents = latents;
            this.fresh = fresh;
            begun = latents.clone();
        }

        @Override
        public void advance(Evaluation at, Tensor velocity) {
            Tensor picture = Prediction.picture(latents, at.sigma(), velocity);
            Step step = at.step();
            if (step.isLast()) {
                latents.copy_(picture);
                return;
            }
            Tensor first = fresh.get(2 * step.index());
            if (at.beginsStep()) {
                begun.copy_(latents);
                move(step.sigma(), middle(step), picture, first);
            } else {
                // 2. From where the step began, with what the picture is taken to be in its middle
                latents.copy_(begun);
                double before = step.sigma() - middle(step);
                double after = middle(step) - step.nextSigma();
                Tensor second = fresh.get(2 * step.index() + 1)
                        .mul(new Scalar(Math.sqrt(after)))
                        .add_(first, new Scalar(Math.sqrt(before)))
                        .div_(new Scalar(Math.sqrt(before + after)));
                move(step.sigma(), step.nextSigma(), picture, second);
            }
        }

        /** Moves the latents from one level to another, half of it downwards without noise, and noise up again. */
        private void move(double from, double to, Tensor picture, Tensor noise) {
            double level = Math.min(from, MAX_SIGMA);
            double ratioFrom = level / (1 - level);
            double ratioTo = to / (1 - to);
            double up =
                    Math.min(ratioTo, ratioTo * Math.sqrt((ratioFrom - ratioTo) * (ratioFrom + ratioTo)) / ratioFrom);
            double down = Math.sqrt((ratioTo - up) * (ratioTo + up));
            double decay = down / ratioFrom;
            latents.mul_(new Scalar((1 - to) / (1 - level) * decay))
                    .add_(picture, new Scalar((1 - to) * (1 - decay)))
                    .add_(noise, new Scalar((1 - to) * up));
        }
    }
}
