package io.github.zimage.internal.nn;

import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What attention takes, in the linear layers' type.
 *
 * @param query [S, H, D], scaled by {@code 1 / sqrt(D)}
 * @param key [S, H, D]
 * @param value [S, H, D]
 */
public record Heads(Tensor query, Tensor key, Tensor value) {

    /**
     * What makes heads of what linear layers give.
     *
     * @param heads how many there are
     * @param queryNorm the weight of the norm of each query, [D] fp32, or null for none
     * @param keyNorm likewise for keys
     * @param eps that of both norms
     * @param queryRotation [S, 1, D/2] complex64 of magnitude {@code 1 / sqrt(D)}: turns pairs of neighbouring features
     * @param keyRotation [S, 1, D/2] complex64 of magnitude 1
     */
    public record Recipe(
            int heads,
            @Nullable Tensor queryNorm,
            @Nullable Tensor keyNorm,
            double eps,
            Tensor queryRotation,
            Tensor keyRotation) {

        /** Returns how many features a head has. */
        public long headDim() {
            return 2 * queryRotation.size(2);
        }
    }
}
