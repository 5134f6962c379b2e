package io.github.zimage.bench;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What calls of LibTorch cost beside its work: Java code, the border, and LibTorch's way to a kernel, measured on an operation that does
 * nothing. How many calls something made is told by what they left on the Java heap, since each leaves an object that holds its result.
 *
 * @param bytes what one call leaves on the Java heap
 * @param seconds how long it takes
 */
record NativeCalls(double bytes, double seconds) {
    private static final int CALLS = 100_000;
    private static final int BATCHES = 10;

    /** Measures an empty call; takes about a second. */
    static NativeCalls measure() {
        double least = Double.POSITIVE_INFINITY;
        double bytes = 0;
        try (PointerScope scope = new PointerScope()) {
            Tensor number = torch.ones(1);
            for (int batch = 0; batch < BATCHES; batch++) {
                long before = allocatedBytes();
                long start = System.nanoTime();
                for (int call = 0; call < CALLS; call++) {
                    try (PointerScope inner = new PointerScope()) {
                        number.narrow(0, 0, 1);
                    }
                }
                least = Math.min(least, (System.nanoTime() - start) / 1e9 / CALLS);
                bytes = (double) (allocatedBytes() - before) / CALLS;
            }
        }
        return new NativeCalls(bytes, least);
    }

    /** Returns how much this thread has allocated on the Java heap so far. */
    static long allocatedBytes() {
        return ManagementFactory.getThreadMXBean() instanceof ThreadMXBean threads
                ? threads.getThreadAllocatedBytes(Thread.currentThread().getId())
                : 0;
    }

    /** Says in words what the calls cost that left so many bytes, as a share of a time. */
    String describe(long allocated, double all) {
        double calls = allocated / bytes;
        return String.format(
                Locale.ROOT,
                "Calls of LibTorch beside its work: %.0f (%d bytes on the Java heap, %.0f a call), %.2f us each, %.3f s in all, %.2f %% of the time.%n",
                calls,
                allocated,
                bytes,
                seconds * 1e6,
                calls * seconds,
                100 * calls * seconds / all);
    }
}
