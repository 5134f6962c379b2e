package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;

/**
 * A prompt as the transformer's blocks see it, refined, the same in all steps.
 *
 * @param context [T, dim] fp32, where T is a multiple of 32
 * @param rotary the rotary embedding of its T tokens
 */
public record Caption(Tensor context, RotaryEmbedding rotary) {
    /** Returns how many tokens the caption has, padding included. */
    int length() {
        return Math.toIntExact(context.size(0));
    }
}
