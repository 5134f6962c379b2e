package io.github.zimage.internal.pipeline;

import io.github.zimage.GenerationRequest;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Classifier-free guidance as in diffusers' {@code pipeline_z_image.py}.
 *
 * @param scale how much further than the positive prediction to go; 0 is off
 * @param normalization the limit of the result's length as a multiple of the positive one's; 0 is none
 * @param truncation the timestep after which it is off
 */
record Guidance(double scale, double normalization, double truncation) {

    static Guidance of(GenerationRequest request) {
        return new Guidance(request.guidance(), request.cfgNormalization(), request.cfgTruncation());
    }

    boolean isOn() {
        return scale > 0;
    }

    /** Tells whether a step at a timestep, from 0 (noise) to 1 (picture), is guided. */
    boolean actsAt(float timestep) {
        return isOn() && timestep <= truncation;
    }

    /** Combines two predictions of any one shape, fp32. */
    Tensor combine(Tensor positive, Tensor negative) {
        Tensor guided = positive.add(positive.sub(negative), new Scalar(scale));
        if (normalization > 0) {
            // Without asking how long it is, so that nobody waits for the device.
            Tensor limit = torch.linalg_vector_norm(positive).mul(new Scalar(normalization));
            Tensor length = torch.linalg_vector_norm(guided);
            guided.mul_(torch.where(length.gt(limit), limit.div(length), torch.ones_like(length)));
        }
        return guided;
    }
}
