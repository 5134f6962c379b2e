package io.github.zimage.bench;

import io.github.zimage.internal.device.ComputeDevice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Runs an operation on a device, says how far its result is from another and how long it takes, whatever happens. */
final class DeviceTrial {
    private static final int WARM_UPS = 40;
    private static final int BATCHES = 5;
    private static final int BATCH_RUNS = 20;

    private final ComputeDevice device;
    private final Consumer<Map<String, Object>> report;

    /**
     * Runs nothing yet.
     *
     * @param device the device, which has been {@linkplain ComputeDevice#enter entered}
     * @param report gets a line for each figure, with {@code error} where results are too far apart and {@code skipped} for what the
     *     device cannot do
     */
    DeviceTrial(ComputeDevice device, Consumer<Map<String, Object>> report) {
        this.device = device;
        this.report = report;
    }

    /** Reports that something cannot be run here. */
    void skip(Map<String, Object> line, IllegalArgumentException why) {
        line.put("skipped", String.valueOf(why.getMessage()));
        report.accept(line);
    }

    /** Reports that something that should run here does not. */
    void fail(Map<String, Object> line, RuntimeException why) {
        line.put("error", String.valueOf(why.getMessage()));
        report.accept(line);
    }

    /** Runs something that fills a line, frees its tensors, and reports the line, whatever happens. */
    void run(Map<String, Object> line, Runnable work) {
        try (PointerScope scope = new PointerScope()) {
            work.run();
        } catch (RuntimeException e) {
            line.put("error", String.valueOf(e.getMessage()));
        }
        report.accept(line);
    }

    /** Notes an error, and that it is too large if it is. */
    static void judge(Map<String, Object> line, double error, double limit) {
        line.put("relative_error", Findings.round(error));
        if (!(error <= limit)) {
            line.put("error", "the relative error %.3g is more than %.3g".formatted(error, limit));
        }
    }

    /** Returns the norm of the difference over that of what was expected. */
    static double relativeError(Tensor actual, Tensor expected) {
        try (PointerScope scope = new PointerScope()) {
            if (!Arrays.equals(
                    actual.sizes().vec().get(), expected.sizes().vec().get())) {
                throw new IllegalStateException("the shape is %s, not %s".formatted(shape(actual), shape(expected)));
            }
            Tensor exact = expected.to(ScalarType.Float);
            Tensor difference = actual.to(ScalarType.Float).sub(exact);
            return difference.norm().item_double() / exact.norm().item_double();
        }
    }

    private static String shape(Tensor tensor) {
        return Arrays.toString(tensor.sizes().vec().get());
    }

    /** Returns the median of some batches, in which one run after the other is ordered and the device waited for at the end. */
    double milliseconds(Runnable operation) {
        List<Double> each = new ArrayList<>();
        batch(operation, WARM_UPS);
        for (int batch = 0; batch < BATCHES; batch++) {
            each.add(batch(operation, BATCH_RUNS));
        }
        return Findings.median(each);
    }

    private double batch(Runnable operation, int runs) {
        long start = System.nanoTime();
        for (int run = 0; run < runs; run++) {
            try (PointerScope scope = new PointerScope()) {
                operation.run();
            }
        }
        device.synchronize();
        return (System.nanoTime() - start) / 1e6 / runs;
    }
}
