package io.github.zimage.serve;

import java.util.ArrayDeque;
import java.util.Deque;

/** Whether memory grows from generation to generation: the straight line through what was held after each. Thread-safe. */
final class MemoryTrend {
    private static final int IGNORED = 32;
    private static final int LEAST = 64;
    private static final int MOST = 512;
    private static final double SIGNIFICANT = 4;

    private final Deque<Long> samples = new ArrayDeque<>();
    private int ignored;

    /** Takes what was in use after a generation. The first ones after a start do not count: caches fill. */
    synchronized void add(long bytes) {
        if (ignored < IGNORED) {
            ignored++;
            return;
        }
        samples.addLast(bytes);
        if (samples.size() > MOST) {
            samples.removeFirst();
        }
    }

    /** Forgets all, as after a remedy. */
    synchronized void clear() {
        samples.clear();
        ignored = 0;
    }

    /** Returns how many bytes each generation adds; 0 if that cannot be told from noise. */
    synchronized double bytesPerGeneration() {
        int n = samples.size();
        if (n < LEAST) {
            return 0;
        }
        double meanX = (n - 1) / 2.0;
        double meanY = samples.stream().mapToLong(Long::longValue).average().orElse(0);
        double xx = 0;
        double xy = 0;
        double yy = 0;
        int i = 0;
        for (long sample : samples) {
            double x = i++ - meanX;
            double y = sample - meanY;
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        double slope = xy / xx;
        double residual = Math.max(0, yy - slope * xy);
        double error = Math.sqrt(residual / (n - 2) / xx);
        return slope > SIGNIFICANT * error ? slope : 0;
    }
}
