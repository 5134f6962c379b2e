package io.github.zimage.tuning;

import io.github.zimage.GenerationListener;
import io.github.zimage.internal.pipeline.ForwardingListener;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Hears of a candidate's pictures, and for how long nothing has happened. */
final class StepWatch extends ForwardingListener {
    private final List<Duration> steps = new ArrayList<>();
    private Duration longest = Duration.ZERO;
    private long latest = System.nanoTime();

    StepWatch(GenerationListener target) {
        super(target);
    }

    synchronized void start() {
        latest = System.nanoTime();
    }

    private synchronized void note() {
        Duration waited = waited();
        longest = waited.compareTo(longest) > 0 ? waited : longest;
        latest = System.nanoTime();
    }

    synchronized Duration waited() {
        return Duration.ofNanos(System.nanoTime() - latest);
    }

    synchronized Duration longest() {
        return longest;
    }

    /** Returns the fastest step but the first, which warms up. */
    synchronized Duration fastestStep() {
        return steps.stream().skip(1).min(Comparator.naturalOrder()).orElseThrow();
    }

    @Override
    public void onEncode(Duration elapsed) {
        note();
        super.onEncode(elapsed);
    }

    @Override
    public void onStep(int step, int count, Duration elapsed) {
        note();
        synchronized (this) {
            steps.add(elapsed);
        }
        super.onStep(step, count, elapsed);
    }

    @Override
    public void onDecode(int index, int count, Duration elapsed) {
        note();
        super.onDecode(index, count, elapsed);
    }
}
