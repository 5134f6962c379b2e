package io.github.zimage.internal.nn;

import io.github.zimage.Precision;
import io.github.zimage.internal.runtime.Tensors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/** Measures how fast linear layers are. */
public final class LinearProbe {
    private static final long ROWS = 512;
    private static final long FEATURES = 3840;
    private static final int RUNS = 4;

    private LinearProbe() {}

    /** Returns the best rate of some runs of a layer as wide as those of Z-Image, in 10^12 operations a second. */
    public static double teraflops(Precision precision) {
        try (PointerScope scope = new PointerScope()) {
            TensorOptions options = new TensorOptions(Tensors.scalarType(precision));
            Tensor x = torch.ones(new long[] {ROWS, FEATURES}, options);
            Tensor weight = torch.ones(new long[] {FEATURES, FEATURES}, options);
            double best = Double.POSITIVE_INFINITY;
            for (int run = 0; run < RUNS; run++) {
                long start = System.nanoTime();
                MatrixProduct.transposed(x, weight, null).close();
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
            return 2.0 * ROWS * FEATURES * FEATURES / best / 1e12;
        }
    }
}
