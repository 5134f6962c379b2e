package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.Latents;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.engine.AdapterSets;
import io.github.zimage.internal.engine.Denoiser;
import io.github.zimage.internal.engine.Denoisers;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;

/**
 * The transformer by itself: the velocity of one picture at one noise level, for tests that take steps with arithmetic of their own, in FP64.
 */
final class TransformerProbe {
    private final TestEngine engine;
    private final PromptEmbeddings prompt;
    private final int[] shape;

    /**
     * Asks nothing yet.
     *
     * @param shape channels, rows and columns of the latents
     */
    TransformerProbe(TestEngine engine, String prompt, int... shape) {
        this.engine = engine;
        this.prompt = engine.encode(prompt, () -> {});
        this.shape = shape;
    }

    /** Returns the velocity of latents at a noise level; what the transformer is told of it is {@code 1 - sigma}. */
    double[] velocity(double[] latents, float sigma) {
        Session session = new Session(engine.model(), new GenerationListener() {}, () -> {}, Relief.NONE);
        Step step = new Step(0, 1, sigma, 0, 1 - sigma);
        Evaluation at = new Evaluation(step, 0, 1, sigma, 1 - sigma);
        float[] velocity = session.run(Phase.DENOISE, () -> {
            try (PointerScope scope = new PointerScope();
                    Denoiser denoiser =
                            Denoisers.lease(session, List.of(at), StepCache.OFF, List.of(), AdapterSets.NONE)) {
                Caption caption = denoiser.captions(List.of(prompt)).get(0);
                denoiser.prepare();
                TransformerInput input = new TransformerInput(
                        TensorPlace.CPU.of(floats(latents), shape[0], shape[1], shape[2]),
                        caption,
                        denoiser.imageRotary(shape[1], shape[2], caption));
                return Tensors.toFloats(
                        denoiser.velocities(List.of(input), at, true).get(0));
            }
        });
        return doubles(velocity);
    }

    /** Returns the first draws of noise of a seed. */
    double[][] noise(long seed, int draws) {
        double[][] drawn = new double[draws][];
        try (PointerScope scope = new PointerScope()) {
            PictureNoise noise = new PictureNoise(seed, 1, TensorPlace.CPU, shape[0], shape[1], shape[2]);
            for (int i = 0; i < draws; i++) {
                drawn[i] = doubles(Tensors.toFloats(noise.next()));
            }
        }
        return drawn;
    }

    Latents latents(double[] values) {
        return Latents.of(shape[0], shape[1], shape[2], floats(values));
    }

    static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    /** Returns {@code a + factor * b}. */
    static double[] plus(double[] a, double factor, double[] b) {
        double[] sum = new double[a.length];
        for (int i = 0; i < a.length; i++) {
            sum[i] = a[i] + factor * b[i];
        }
        return sum;
    }
}
