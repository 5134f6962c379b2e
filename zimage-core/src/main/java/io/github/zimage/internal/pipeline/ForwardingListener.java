package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.placement.MemoryPlan;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Passes everything on. Subclasses override what they want to hear themselves. */
public class ForwardingListener implements GenerationListener {
    private final GenerationListener target;

    protected ForwardingListener(GenerationListener target) {
        this.target = target;
    }

    @Override
    public void onStart() {
        target.onStart();
    }

    @Override
    public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
        target.onRelief(failure, next);
    }

    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        target.onLoad(component, bytesDone, bytesTotal);
    }

    @Override
    public void onConvert(Component component, long bytesDone, long bytesTotal) {
        target.onConvert(component, bytesDone, bytesTotal);
    }

    @Override
    public void onEncode(Duration elapsed) {
        target.onEncode(elapsed);
    }

    @Override
    public void onStep(int step, int steps, Duration elapsed) {
        target.onStep(step, steps, elapsed);
    }

    @Override
    public @Nullable Path previewDecoder() {
        return target.previewDecoder();
    }

    @Override
    public int previewSize(int step) {
        return target.previewSize(step);
    }

    @Override
    public void onPreview(int step, int index, BufferedImage preview) {
        target.onPreview(step, index, preview);
    }

    @Override
    public void onDecode(int index, int count, Duration elapsed) {
        target.onDecode(index, count, elapsed);
    }

    @Override
    public void onUpscale(int index, int count, Duration elapsed) {
        target.onUpscale(index, count, elapsed);
    }

    @Override
    public void onDone(List<GeneratedImage> images) {
        target.onDone(images);
    }
}
