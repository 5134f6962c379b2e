package io.github.zimage.spring;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts one request from its submission to its end, and passes on to the caller's listener what it hears. */
final class ObservedListener implements GenerationListener {
    private final GenerationListener listener;
    private final RequestObserver observer;
    private final AtomicInteger waiting;
    private final AtomicInteger running;
    private final long submitted = System.nanoTime();
    private final AtomicBoolean started = new AtomicBoolean();
    private volatile long start;

    ObservedListener(
            GenerationListener listener, RequestObserver observer, AtomicInteger waiting, AtomicInteger running) {
        this.listener = listener;
        this.observer = observer;
        this.waiting = waiting;
        this.running = running;
        waiting.incrementAndGet();
    }

    void succeeded(int images) {
        observer.onSuccess(Duration.ofNanos(System.nanoTime() - start), images);
    }

    void failed(RuntimeException reason) {
        observer.onFailure(reason);
    }

    void ended() {
        (started.get() ? running : waiting).decrementAndGet();
    }

    @Override
    public void onStart() {
        if (started.compareAndSet(false, true)) {
            start = System.nanoTime();
            waiting.decrementAndGet();
            running.incrementAndGet();
            observer.onStart(Duration.ofNanos(start - submitted));
        }
        listener.onStart();
    }

    @Override
    public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
        observer.onRelief();
        listener.onRelief(failure, next);
    }

    @Override
    public void onStep(int step, int steps, Duration elapsed) {
        observer.onStep(elapsed);
        listener.onStep(step, steps, elapsed);
    }

    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        listener.onLoad(component, bytesDone, bytesTotal);
    }

    @Override
    public void onEncode(Duration elapsed) {
        listener.onEncode(elapsed);
    }

    @Override
    public int previewSize(int step) {
        return listener.previewSize(step);
    }

    @Override
    public void onPreview(int step, int index, BufferedImage preview) {
        listener.onPreview(step, index, preview);
    }

    @Override
    public void onDecode(int index, int count, Duration elapsed) {
        listener.onDecode(index, count, elapsed);
    }

    @Override
    public void onDone(List<GeneratedImage> images) {
        listener.onDone(images);
    }
}
