package io.github.zimage.internal.generation;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.events.StepEvent;
import io.github.zimage.placement.Device;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Tells the listener of steps when they are done. On a GPU, a step is waited for only once the next one has been ordered, so that the GPU
 * never waits.
 */
final class StepClock {
    private final ComputeDevice device;
    private final GenerationRequest request;
    private final int count;
    private final GenerationListener listener;
    private final int ahead;
    private final Deque<ComputeDevice.Mark> marks = new ArrayDeque<>();
    private final List<Duration> steps = new ArrayList<>();
    private long last = System.nanoTime();
    private StepEvent event = begun();

    /**
     * Starts.
     *
     * @param device where the steps are computed
     * @param count how many there will be
     */
    StepClock(ComputeDevice device, GenerationRequest request, int count, GenerationListener listener) {
        this.device = device;
        this.request = request;
        this.count = count;
        this.listener = listener;
        ahead = device.device().kind() == Device.Kind.CPU ? 0 : 1;
    }

    /** All work of a step has been ordered. */
    void onOrdered() {
        marks.add(device.mark());
        while (marks.size() > ahead) {
            await();
        }
    }

    /** Waits for the steps that are not done. */
    void finish() {
        while (!marks.isEmpty()) {
            await();
        }
    }

    /** Returns how long each step took. */
    List<Duration> durations() {
        return List.copyOf(steps);
    }

    private void await() {
        marks.remove().await();
        Duration elapsed = Duration.ofNanos(System.nanoTime() - last);
        steps.add(elapsed);
        record();
        listener.onStep(steps.size(), count, elapsed);
        last = System.nanoTime();
        event = begun();
    }

    private static StepEvent begun() {
        StepEvent event = new StepEvent();
        event.begin();
        return event;
    }

    private void record() {
        event.end();
        if (event.shouldCommit()) {
            event.device = device.device().toString();
            event.step = steps.size();
            event.steps = count;
            event.width = request.width();
            event.height = request.height();
            event.pictures = request.totalCount();
            event.commit();
        }
    }
}
