package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A picture on its way through the transformer.
 *
 * @param latents [C, h, w] fp32
 * @param caption what it shall show
 * @param imageRotary the rotary embedding of its tokens, behind that caption
 * @param avoided what it shall not show, if attention shall see to that
 */
public record TransformerInput(
        Tensor latents,
        Caption caption,
        RotaryEmbedding imageRotary,
        @Nullable Avoided avoided) {

    /** Creates a picture whose attention avoids nothing. */
    public TransformerInput(Tensor latents, Caption caption, RotaryEmbedding imageRotary) {
        this(latents, caption, imageRotary, null);
    }

    /** Returns what a timestep's evaluation avoids, if anything. */
    public @Nullable Avoided avoidedAt(StepModulation step) {
        return avoided != null && avoided.actsAt(step.timestep()) ? avoided : null;
    }
}
