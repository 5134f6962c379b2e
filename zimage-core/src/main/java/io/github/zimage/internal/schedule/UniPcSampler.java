package io.github.zimage.internal.schedule;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * UniPC of order 2 with B(h) = expm1(h): a predictor like DPM-Solver++'s, and before the next step a corrector that uses what has been
 * evaluated there, without a further evaluation. diffusers' {@code UniPCMultistepScheduler} with {@code use_flow_sigmas}, prediction of the
 * velocity, {@code bh2}, order 2, lower order at the end; times are not rounded to integers as there.
 *
 * <p>Zhao et al., UniPC (arXiv 2302.04867).
 */
public final class UniPcSampler implements Sampler {
    /** What is taken for the level 1, where the logarithm has a pole: in FP32 as in diffusers, since 1 minus it is what counts. */
    private static final double MAX_SIGMA = 1 - 1e-6f;

    @Override
    public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
        return new Way(latents, schedule.sigmas());
    }

    private static final class Way implements Trajectory {
        private final Tensor latents;
        private final double[] sigmas;
        /** The latents at the step before, after their correction. */
        private final Tensor earlier;
        /** What the picture was taken to be at the step before, and before that. */
        private final Tensor previous;

        private final Tensor beforePrevious;
        private int order;

        Way(Tensor latents, float[] levels) {
            this.latents = latents;
            sigmas = new double[levels.length];
            for (int i = 0; i < levels.length; i++) {
                sigmas[i] = Math.min(levels[i], MAX_SIGMA);
            }
            earlier = latents.clone();
            previous = latents.clone();
            beforePrevious = latents.clone();
        }

        @Override
        public void advance(Evaluation at, Tensor velocity) {
            int i = at.step().index();
            Tensor picture = Prediction.picture(latents, sigmas[i], velocity);
            if (i > 0) {
                correct(i, picture);
            }
            beforePrevious.copy_(previous);
            previous.copy_(picture);
            earlier.copy_(latents);
            order = i == 0 || at.isLast() ? 1 : 2;
            predict(i);
        }

        /** Takes the latents at step i anew from the step before, now that the picture is known there. */
        private void correct(int i, Tensor picture) {
            double h = lambda(i) - lambda(i - 1);
            double e = Math.expm1(-h);
            double alpha = 1 - sigmas[i];
            double last = 0.5;
            latents.copy_(earlier).mul_(new Scalar(sigmas[i] / sigmas[i - 1]));
            double ofPrevious = -alpha * e;
            if (order == 2) {
                double ratio = (lambda(i - 2) - lambda(i - 1)) / h;
                double b1 = (e / -h - 1) / e;
                double b2 = 2 * ((e / -h - 1) / -h - 0.5) / e;
                double first = (b1 - b2) / (1 - ratio);
                last = b1 - first;
                double slope = -alpha * e * first / ratio;
                latents.add_(beforePrevious, new Scalar(slope));
                ofPrevious -= slope;
            }
            latents.add_(picture, new Scalar(-alpha * e * last));
            latents.add_(previous, new Scalar(ofPrevious + alpha * e * last));
        }

        private void predict(int i) {
            double alpha = 1 - sigmas[i + 1];
            double h = lambda(i + 1) - lambda(i);
            double e = Math.expm1(-h);
            latents.mul_(new Scalar(sigmas[i + 1] / sigmas[i]));
            double ofPrevious = -alpha * e;
            if (order == 2) {
                double ratio = (lambda(i - 1) - lambda(i)) / h;
                double slope = -alpha * e / 2 / ratio;
                latents.add_(beforePrevious, new Scalar(slope));
                ofPrevious -= slope;
            }
            latents.add_(previous, new Scalar(ofPrevious));
        }

        /** The logarithm of the ratio of picture to noise; infinite where there is no noise. */
        private double lambda(int i) {
            return Math.log((1 - sigmas[i]) / sigmas[i]);
        }
    }
}
