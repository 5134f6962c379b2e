package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;

/**
 * A picture on its way through the transformer.
 *
 * @param latents [C, h, w] fp32
 * @param caption what it shall show
 * @param imageRotary the rotary embedding of its tokens, behind that caption
 */
public record TransformerInput(Tensor latents, Caption caption, RotaryEmbedding imageRotary) {}
