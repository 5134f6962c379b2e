package io.github.zimage.internal.text;

import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Cosines and sines by which heads of the text encoder are rotated, [T, 1, D/2] fp32; those of queries carry the scale of attention,
 * {@code 1 / sqrt(D)}.
 */
record Qwen3RotaryEmbedding(Tensor cosine, Tensor sine, Tensor queryCosine, Tensor querySine) {

    /** Returns the rotary embedding of positions 0 to {@code tokens - 1}, rounded to FP32 where transformers' {@code Qwen3RotaryEmbedding} does. */
    static Qwen3RotaryEmbedding of(TextEncoderConfig config, int tokens, TensorPlace place) {
        int half = config.headDim() / 2;
        float[] angles = new float[tokens * half];
        for (int i = 0; i < half; i++) {
            float exponent = (float) (2 * i) / config.headDim();
            float inverseFrequency = 1 / (float) Math.pow((float) config.ropeTheta(), exponent);
            for (int position = 0; position < tokens; position++) {
                angles[position * half + i] = position * inverseFrequency;
            }
        }
        Tensor angle = Tensors.of(angles, tokens, 1, half); // [T, 1, D/2]
        Tensor cosine = angle.cos();
        Tensor sine = angle.sin();
        Scalar scale = new Scalar(1 / Math.sqrt(config.headDim()));
        return new Qwen3RotaryEmbedding(
                place.take(cosine), place.take(sine), place.take(cosine.mul(scale)), place.take(sine.mul(scale)));
    }
}
