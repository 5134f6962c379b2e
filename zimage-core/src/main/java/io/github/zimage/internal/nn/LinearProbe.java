package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.runtime.ProcessorFeatures;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Measures how fast linear layers are, and whether 8-bit integers can be used at all. */
public final class LinearProbe {
    private static final long ROWS = 512;
    private static final long FEATURES = 3840;
    private static final int RUNS = 4;

    private static final long SMALL_ROWS = 64;
    private static final long SMALL_FEATURES = 256;
    private static final int SMALL_RUNS = 10;

    /** Reference kernels take a thousand times as long as FP32; real ones less, but at this size little of the time is the product. */
    private static final double FAR_SLOWER = 16;

    private LinearProbe() {}

    /**
     * Returns the best rate of some runs of a layer as wide as those of Z-Image, in 10^12 operations a second; 0 for 8-bit integers
     * where they cannot be used.
     */
    public static double teraflops(Precision precision) {
        if (precision == Precision.INT8 && int8Problem() != null) {
            return 0;
        }
        return 2.0 * ROWS * FEATURES * FEATURES / seconds(precision, ROWS, FEATURES, RUNS) / 1e12;
    }

    /**
     * Checks that linear layers can compute with 8-bit integers here.
     *
     * @throws ZImageException if they cannot
     */
    public static void requireInt8() {
        String problem = int8Problem();
        if (problem != null) {
            throw new ZImageException("precision INT8 does not work on this processor (%s): %s; use BF16 or FP32"
                    .formatted(ProcessorFeatures.name(), problem));
        }
    }

    /**
     * Returns why 8-bit integers cannot be used here, or null if they can. A small product comes first: where the processor lacks
     * instructions, a large one can take minutes.
     */
    private static @Nullable String int8Problem() {
        try {
            if (!Int8Product.isExact()) {
                return "its sums of products of 8-bit integers overflow";
            }
            double fp32 = seconds(Precision.FP32, SMALL_ROWS, SMALL_FEATURES, SMALL_RUNS);
            double int8 = seconds(Precision.INT8, SMALL_ROWS, SMALL_FEATURES, SMALL_RUNS);
            return int8 > FAR_SLOWER * fp32
                    ? "its products of 8-bit integers take %.0f times as long as those of FP32".formatted(int8 / fp32)
                    : null;
        } catch (RuntimeException | LinkageError e) {
            return "its LibTorch has no products of 8-bit integers";
        }
    }

    private static double seconds(Precision precision, long rows, long features, int runs) {
        try (PointerScope scope = new PointerScope()) {
            Runnable product = precision == Precision.INT8
                    ? int8Product(rows, features)
                    : product(Tensors.scalarType(precision), rows, features);
            double best = Double.POSITIVE_INFINITY;
            for (int run = 0; run < runs; run++) {
                try (PointerScope runScope = new PointerScope()) {
                    long start = System.nanoTime();
                    product.run();
                    best = Math.min(best, (System.nanoTime() - start) / 1e9);
                }
            }
            return best;
        }
    }

    private static Runnable product(ScalarType type, long rows, long features) {
        TensorOptions options = new TensorOptions(type);
        Tensor x = torch.ones(new long[] {rows, features}, options);
        Tensor weight = torch.ones(new long[] {features, features}, options);
        return () -> MatrixProduct.transposed(x, weight, null);
    }

    private static Runnable int8Product(long rows, long features) {
        Tensor x = torch.full(new long[] {rows, features}, new Scalar(130), new TensorOptions(ScalarType.Byte));
        Tensor weight =
                Int8Product.pack(torch.ones(new long[] {features, features}, new TensorOptions(ScalarType.Char)));
        Tensor scale = torch.ones(features);
        Tensor zeros = torch.zeros(new long[] {features}, new TensorOptions(ScalarType.Int));
        return () -> Int8Product.transposed(x, weight, scale, zeros, ScalarType.BFloat16);
    }
}
