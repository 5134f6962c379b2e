package io.github.zimage;

import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Int8Probe;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Operator;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails every test, and every class of tests, that leaves more objects of LibTorch behind than it found: the collector does not see
 * their memory, so whatever is not closed is as good as lost. Found by JUnit as a service, so that no test can forget it.
 */
public final class NativeLeakExtension
        implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {
    /** A cancelled generation may end a moment after the test that cancelled it. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    @Override
    public void beforeAll(ExtensionContext context) {
        Constants.make();
        remember(context);
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        remember(context);
    }

    @Override
    public void afterEach(ExtensionContext context) throws InterruptedException {
        check(context);
    }

    @Override
    public void afterAll(ExtensionContext context) throws InterruptedException {
        check(context);
    }

    private static void remember(ExtensionContext context) {
        store(context).put("count", Pointer.totalCount());
    }

    private static void check(ExtensionContext context) throws InterruptedException {
        long before = store(context).get("count", Long.class);
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (Pointer.totalCount() > before) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("%s leaks %d native objects"
                        .formatted(context.getDisplayName(), Pointer.totalCount() - before));
            }
            Thread.sleep(1);
        }
    }

    private static ExtensionContext.Store store(ExtensionContext context) {
        return context.getStore(ExtensionContext.Namespace.create(NativeLeakExtension.class, context.getUniqueId()));
    }

    /** What is made at first use and kept for ever: handles of operators, and arguments that are the same in every call. */
    private static final class Constants {
        static {
            NativeRuntime.load();
            AttentionSelector.measure(Precision.FP32);
            AttentionSelector.measure(Precision.BF16);
            if (Int8Probe.measuredAnew() == null) {
                CpuKernels int8 =
                        new CpuKernels(AttentionSelector.select(AttentionBackend.AUTO, Precision.INT8), Precision.INT8);
                try (PointerScope scope = new PointerScope()) {
                    for (long size = 1; size <= 256; size *= 2) { // rotations
                        Rows ones = Rows.of(torch.ones(1, size));
                        int8.swiglu(ones, ones);
                    }
                }
            }
            Operator.find("aten::relu", ""); // of OperatorTest
        }

        static void make() {}
    }
}
