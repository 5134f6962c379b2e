package io.github.zimage.spi;

import org.bytedeco.pytorch.Tensor;

/**
 * A way to compute attention, found through {@link java.util.ServiceLoader}.
 *
 * <p>Tensors lie on the device that computes: the machine's memory, or a graphics card's, where the work belongs on LibTorch's current
 * stream. One that cannot take them throws.
 *
 * <p>All calls come from one thread, inside a JavaCPP scope that the caller closes: an implementation need not close its
 * temporaries, and must not keep a tensor beyond the call.
 */
public interface Attention {

    /** Returns the name that selects this backend, in lower case, such as {@code flash}. */
    String name();

    /**
     * Computes {@code softmax(query * key^T) * value} for each head. The query comes scaled by {@code 1 / sqrt(D)}.
     *
     * @param query [H, S, D], FP32 or BF16; strides are arbitrary except that the last dimension is contiguous
     * @param key [H, T, D], the query's type
     * @param value [H, T, D], the query's type
     * @param causal whether position i sees only positions 0 to i; then S equals T
     * @return [H, S, D] of the query's type, with any strides
     */
    Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal);
}
