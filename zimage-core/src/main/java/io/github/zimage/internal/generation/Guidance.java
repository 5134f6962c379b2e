package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.engine.Denoiser;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.TransformerInput;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Classifier-free guidance as in diffusers' {@code pipeline_z_image.py}, by any of the formulas of {@link Guider}; of one request. */
final class Guidance implements AutoCloseable {
    private final double scale;
    private final double normalization;
    private final double truncation;
    private final Guider guider;

    private Guidance(GenerationRequest request) {
        scale = request.guidance();
        normalization = request.cfgNormalization();
        truncation = request.cfgTruncation();
        guider = new Guider(request.guidanceMethod(), scale);
    }

    static Guidance of(GenerationRequest request) {
        return new Guidance(request);
    }

    /** Returns whether a request's pictures are drawn with something that they shall not show. */
    static boolean avoids(GenerationRequest request) {
        return request.guidance() > 0 || request.nag().isOn();
    }

    /** Tells whether a step at a timestep, from 0 (noise) to 1 (picture), is guided. */
    boolean actsAt(float timestep) {
        return scale > 0 && timestep <= truncation;
    }

    /**
     * Returns the velocities of a group of pictures, guided where this acts.
     *
     * @param watch sees what the transformer gave
     * @return for each picture [C, h, w] fp32
     */
    List<Tensor> velocities(Denoiser denoiser, Conditions.Group group, Evaluation at, FiniteWatch watch) {
        if (!actsAt(at.timestep())) {
            List<Tensor> velocities = denoiser.velocities(group.positive(), at, group.isLast());
            watch.onVelocities(at, group.pictures(), velocities);
            return velocities;
        }
        List<TransformerInput> both = new ArrayList<>(group.positive());
        both.addAll(group.negative());
        List<Tensor> predicted = denoiser.velocities(both, at, group.isLast());
        watch.onVelocities(at, group.pictures(), predicted);
        int pictures = group.positive().size();
        List<Tensor> guided = new ArrayList<>();
        for (int i = 0; i < pictures; i++) {
            guided.add(combine(
                    group.pictures().get(i).index(), at.step().index(), predicted.get(i), predicted.get(pictures + i)));
        }
        return guided;
    }

    /** Combines two predictions of a picture, of any one shape, fp32. */
    private Tensor combine(int picture, int step, Tensor positive, Tensor negative) {
        Tensor guided = guider.combine(picture, step, positive, negative);
        if (normalization > 0) {
            // Without asking how long it is, so that nobody waits for the device.
            Tensor limit = torch.linalg_vector_norm(positive).mul(new Scalar(normalization));
            Tensor length = torch.linalg_vector_norm(guided);
            guided.mul_(torch.where(length.gt(limit), limit.div(length), torch.ones_like(length)));
        }
        return guided;
    }

    @Override
    public void close() {
        guider.close();
    }
}
