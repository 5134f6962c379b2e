package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * RoPE: rotations of the feature pairs of a sequence's tokens.
 *
 * @param query [S, 1, D/2] complex64, of magnitude {@code 1 / sqrt(D)}: the scale of attention
 * @param key [S, 1, D/2] complex64, of magnitude 1
 */
public record RotaryEmbedding(Tensor query, Tensor key) {

    /** Returns the rotary embeddings of two sequences, one after the other. */
    static RotaryEmbedding concat(RotaryEmbedding first, RotaryEmbedding second) {
        return new RotaryEmbedding(
                torch.cat(new TensorVector(first.query, second.query)),
                torch.cat(new TensorVector(first.key, second.key)));
    }

    /** Returns the rotary embedding of the first tokens. */
    RotaryEmbedding first(long tokens) {
        return tokens == query.size(0)
                ? this
                : new RotaryEmbedding(query.narrow(0, 0, tokens), key.narrow(0, 0, tokens));
    }
}
