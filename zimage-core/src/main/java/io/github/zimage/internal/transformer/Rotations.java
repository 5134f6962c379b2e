package io.github.zimage.internal.transformer;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Rotations of the feature pairs of a sequence's tokens.
 *
 * @param query [S, 1, D/2] complex64, of magnitude {@code 1 / sqrt(D)}: the scale of attention
 * @param key [S, 1, D/2] complex64, of magnitude 1
 */
public record Rotations(Tensor query, Tensor key) {

    /** Returns the rotations of two sequences, one after the other. */
    static Rotations concat(Rotations first, Rotations second) {
        return new Rotations(
                torch.cat(new TensorVector(first.query, second.query)),
                torch.cat(new TensorVector(first.key, second.key)));
    }
}
