package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;

/**
 * A prompt as the transformer's blocks see it, refined, the same in all steps.
 *
 * @param context [T, dim] fp32, where T is a multiple of 32
 * @param rotary the rotary embedding of its T tokens
 * @param additions what adapters add to the transformer for all pictures with this caption
 */
public record Caption(Tensor context, RotaryEmbedding rotary, TransformerAdditions additions) {

    /** Creates a caption for pictures without adapters. */
    public Caption(Tensor context, RotaryEmbedding rotary) {
        this(context, rotary, TransformerAdditions.NONE);
    }

    /** Returns how many tokens the caption has, padding included. */
    public int length() {
        return Math.toIntExact(context.size(0));
    }
}
