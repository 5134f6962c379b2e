package io.github.zimage.internal.vae;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.weights.WeightStore;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One half of the autoencoder, computed again in FP32 where its own precision gives values that are not finite.
 *
 * @param <M> that half
 */
final class Fp32Fallback<M> {
    private static final Logger LOG = LoggerFactory.getLogger(Fp32Fallback.class);

    private final String doing;
    private final Precision precision;
    private final M model;
    private final Supplier<WeightStore> reopened;
    private final Function<WeightStore, M> exact;
    private boolean warned;

    /** What is computed. */
    interface Computation<M> {
        /**
         * Computes.
         *
         * @param weightBytes what was loaded for it alone
         */
        Tensor of(M model, Precision precision, long weightBytes);
    }

    /**
     * Makes the half in its own precision.
     *
     * @param doing what is done with it, such as {@code decoding}
     * @param weights must stay open as long as this is used
     * @param reopened opens the store a second time, for other weights in case these fail; called each time they do
     * @param kernels gives those of a precision
     */
    Fp32Fallback(
            String doing,
            Precision precision,
            WeightStore weights,
            Supplier<WeightStore> reopened,
            Function<Precision, Kernels> kernels,
            BiFunction<WeightStore, Kernels, M> maker) {
        this.doing = doing;
        this.precision = precision;
        this.reopened = reopened;
        model = maker.apply(weights, kernels.apply(precision));
        exact = store -> maker.apply(store, kernels.apply(Precision.FP32));
    }

    /**
     * Computes, in FP32 if need be.
     *
     * @param input requires what is computed from to be finite; called where the result is not
     * @param failure says that the result is not, in FP32 too
     */
    Tensor finite(Runnable input, Supplier<ZImageException> failure, Computation<M> computation) {
        Tensor result = computation.of(model, precision, 0);
        if (NotFinite.isFinite(result)) {
            return result;
        }
        result.close();
        input.run();
        if (precision == Precision.FP32) {
            throw failure.get();
        }
        warn();
        try (WeightStore store = reopened.get()) {
            Tensor again = computation.of(exact.apply(store), Precision.FP32, weightBytes(store));
            if (!NotFinite.isFinite(again)) {
                throw failure.get();
            }
            return again;
        }
    }

    private void warn() {
        if (warned) {
            LOG.debug("The VAE gave values that are not finite in {}: {} in FP32", precision, doing);
            return;
        }
        LOG.warn(
                "The VAE gave values that are not finite in {}: {} such pictures again in FP32, each time with weights read anew."
                        + " To have FP32 at once, set the VAE's precision to it",
                precision,
                doing);
        warned = true;
    }

    private static long weightBytes(WeightStore fp32) {
        return fp32.index().tensors().values().stream()
                .mapToLong(tensor -> Float.BYTES * tensor.elements())
                .sum();
    }
}
