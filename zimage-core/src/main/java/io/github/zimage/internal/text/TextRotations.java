package io.github.zimage.internal.text;

import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TextEncoderConfig;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Cosines and sines by which heads of the text encoder are rotated, [T, 1, D/2] fp32; those of queries carry the scale of attention,
 * {@code 1 / sqrt(D)}.
 */
record TextRotations(Tensor cosine, Tensor sine, Tensor queryCosine, Tensor querySine) {

    /** Returns the rotations of positions 0 to {@code tokens - 1}, in FP32 as transformers' {@code Qwen3RotaryEmbedding}. */
    static TextRotations of(TextEncoderConfig config, int tokens) {
        int half = config.headDim() / 2;
        float[] exponents = new float[half];
        for (int i = 0; i < half; i++) {
            exponents[i] = (float) (2 * i) / config.headDim();
        }
        float[] positions = new float[tokens];
        for (int i = 0; i < tokens; i++) {
            positions[i] = i;
        }
        Tensor inverseFrequency = torch.pow(new Scalar(config.ropeTheta()), Tensors.of(exponents, half))
                .reciprocal();
        Tensor angles = Tensors.of(positions, tokens, 1, 1).mul(inverseFrequency); // [T, 1, D/2]
        Tensor cosine = angles.cos();
        Tensor sine = angles.sin();
        Scalar scale = new Scalar(1 / Math.sqrt(config.headDim()));
        return new TextRotations(cosine, sine, cosine.mul(scale), sine.mul(scale));
    }
}
