package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;

/**
 * What becomes a caption.
 *
 * @param embeddings [tokens, cap_feat_dim] fp32
 * @param beside how many tokens the caption has that this one stands beside: it has at least as many, and its last position is the same.
 *     Attention knows of positions only how far they are apart, so that for the picture it is as if this one stood alone before it. 0 if there
 *     is none
 */
public record CaptionText(Tensor embeddings, int beside) {

    /** Returns what becomes a caption by itself. */
    public static CaptionText of(Tensor embeddings) {
        return new CaptionText(embeddings, 0);
    }

    int tokens() {
        return Math.toIntExact(embeddings.size(0));
    }
}
