package io.github.zimage.internal.nn;

import io.github.zimage.ZImageException;
import io.github.zimage.internal.runtime.ProcessorFeatures;
import io.github.zimage.internal.system.ProcessorWatch;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/** Measures whether linear layers can compute with 8-bit integers, and how fast. */
public final class Int8Probe {
    private static final String QUESTION = "problem of int8";
    private static final String NONE = "none";

    private static final long ROWS = 64;
    private static final long FEATURES = 256;
    private static final int RUNS = 10;

    /** Reference kernels take a thousand times as long as FP32; real ones less, but at this size little of the time is the product. */
    private static final double FAR_SLOWER = 16;

    private Int8Probe() {}

    /**
     * Checks that linear layers can compute with 8-bit integers here.
     *
     * @throws ZImageException if they cannot
     */
    public static void require() {
        String problem = problem();
        if (problem != null) {
            throw new ZImageException("precision INT8 does not work on this processor (%s): %s; use BF16 or FP32"
                    .formatted(ProcessorFeatures.name(), problem));
        }
    }

    /** Returns why 8-bit integers cannot be used here, or null if they can; measures if this processor's answer is not known. */
    public static @Nullable String problem() {
        return problem(ThisProcessor.choices()
                .get(QUESTION, kept -> !kept.isBlank(), () -> Map.of(QUESTION, measuredProblem())));
    }

    /** As {@link #problem}, but measures anew and keeps what was found, unless other programs computed meanwhile. */
    public static @Nullable String measuredAnew() {
        ProcessorWatch watch = ThisProcessor.choices().watch();
        String answer = measuredProblem();
        ThisProcessor.choices().put(Map.of(QUESTION, answer), watch);
        return problem(answer);
    }

    private static @Nullable String problem(String answer) {
        return answer.equals(NONE) ? null : answer;
    }

    /** A small product comes first: where the processor lacks instructions, a large one can take minutes. */
    private static String measuredProblem() {
        try (PointerScope scope = new PointerScope()) {
            if (!Int8Product.isExact()) {
                return "its sums of products of 8-bit integers overflow";
            }
            Tensor ones = torch.ones(ROWS, FEATURES);
            Tensor matrix = torch.ones(FEATURES, FEATURES);
            double fp32 = seconds(RUNS, () -> MatrixProduct.transposed(ones, matrix, null));
            double int8 = seconds(RUNS, new Product(FEATURES, FEATURES, ROWS, true));
            return int8 > FAR_SLOWER * fp32
                    ? "its products of 8-bit integers take %.0f times as long as those of FP32".formatted(int8 / fp32)
                    : NONE;
        } catch (RuntimeException | LinkageError e) {
            return "its LibTorch has no products of 8-bit integers";
        }
    }

    /** Measures layers of a shape, whose weights are packed when they have been used for a while. */
    static LinearMeasurement measure(long in, long out, long rows, int runs) {
        Map<String, Double> rates = new LinkedHashMap<>();
        for (boolean packed : new boolean[] {false, true}) {
            try (PointerScope scope = new PointerScope()) {
                double seconds = seconds(runs, new Product(in, out, rows, packed));
                rates.put(packed ? LinearMethod.PACKED.shownName() : "columns", 2.0 * rows * in * out / seconds / 1e12);
            }
        }
        return new LinearMeasurement(rates, LinearMethod.PACKED.shownName());
    }

    private static double seconds(int runs, Runnable work) {
        double best = Double.POSITIVE_INFINITY;
        for (int run = 0; run < runs; run++) {
            try (PointerScope scope = new PointerScope()) {
                long start = System.nanoTime();
                work.run();
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
        }
        return best;
    }

    private static final class Product implements Runnable {
        private final Tensor x;
        private final Tensor weight;
        private final Tensor scale;
        private final Tensor zeros;

        private Product(long in, long out, long rows, boolean packed) {
            x = torch.full(new long[] {rows, in}, new Scalar(130), new TensorOptions(ScalarType.Byte));
            Tensor plain = torch.ones(new long[] {out, in}, new TensorOptions(ScalarType.Char));
            weight = packed ? Int8Product.pack(plain) : Int8Product.unpacked(plain);
            scale = torch.ones(out);
            zeros = torch.zeros(new long[] {out}, new TensorOptions(ScalarType.Int));
        }

        @Override
        public void run() {
            Int8Product.transposed(x, weight, scale, zeros, ScalarType.BFloat16);
        }
    }
}
