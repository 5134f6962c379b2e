package io.github.zimage.internal.generation;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.internal.engine.PhaseWatch;
import io.github.zimage.internal.placement.Phase;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Passes on what happens in one of the two passes of a generation, whose steps are counted together. Of the first, prompts are heard and no pictures, which
 * are not those that were asked for.
 *
 * @param target hears it
 * @param before how many steps the passes before have
 * @param all how many all have
 * @param isLast whether it is the last one
 */
record PassListener(GenerationListener target, int before, int all, boolean isLast)
        implements GenerationListener, PhaseWatch {
    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        target.onLoad(component, bytesDone, bytesTotal);
    }

    @Override
    public void onPhase(Phase phase) {
        if (target instanceof PhaseWatch watch) {
            watch.onPhase(phase);
        }
    }

    @Override
    public void onEncode(Duration elapsed) {
        if (!isLast) {
            target.onEncode(elapsed);
        }
    }

    @Override
    public void onStep(int step, int steps, Duration elapsed) {
        target.onStep(before + step, all, elapsed);
    }

    @Override
    public @Nullable Path previewDecoder() {
        return target.previewDecoder();
    }

    @Override
    public int previewSize(int step) {
        return target.previewSize(before + step);
    }

    @Override
    public void onPreview(int step, int index, BufferedImage preview) {
        target.onPreview(before + step, index, preview);
    }
}
