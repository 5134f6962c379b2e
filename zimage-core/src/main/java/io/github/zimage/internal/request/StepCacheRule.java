package io.github.zimage.internal.request;

import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import org.jspecify.annotations.Nullable;

/** What step caches can be used with. */
public final class StepCacheRule {
    private StepCacheRule() {}

    /**
     * Returns why a step cache cannot be used, to be read behind its name, or null if it can.
     *
     * @param sampling the method and schedule that it shall be used with
     * @param steps at least 1
     */
    public static @Nullable String refusal(StepCache cache, Sampling sampling, int steps) {
        if (cache.kind() == StepCache.Kind.OFF) {
            return null;
        }
        if (steps < StepCache.LEAST_STEPS) {
            return "needs at least %d steps, as a model of few steps, such as Turbo, changes too much in each, but there were %d"
                    .formatted(StepCache.LEAST_STEPS, steps);
        }
        if (sampling.sampler().isStochastic()) {
            return "cannot be used with the sampler %s, whose noise in each step only an evaluation sees"
                    .formatted(sampling.sampler());
        }
        boolean written = cache.kind() == StepCache.Kind.MASK && StepMasks.isWrittenOut(cache.mask());
        return written && cache.mask().length() != steps
                ? "is for %d steps, but there were %d".formatted(cache.mask().length(), steps)
                : null;
    }
}
