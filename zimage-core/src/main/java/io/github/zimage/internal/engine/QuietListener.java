package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.internal.placement.Phase;

/**
 * Passes on what is loaded and which phase begins, and nothing of pictures on their way, which are not those that were asked for.
 *
 * @param target hears that
 */
record QuietListener(GenerationListener target) implements GenerationListener, PhaseWatch {
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
}
