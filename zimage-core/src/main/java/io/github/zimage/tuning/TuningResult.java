package io.github.zimage.tuning;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a {@link Tuner} measured.
 *
 * @param modelKey stands for the model, see {@link io.github.zimage.ZImageModel#profileKey}
 * @param steps steps of the pictures
 * @param measured every candidate that was measured, in order; the first is the most precise, which the others are compared with
 * @param caches what step caches gave in the best of them, without one first; empty for pictures of too few steps for any
 * @param disturbance what other programs used of the processors meanwhile, such as {@code other programs used 1.0 of 2 processors}:
 *     times and choice are not to be relied on then. Empty if they left enough, or if the system does not tell it
 */
public record TuningResult(
        String modelKey, int steps, List<Measurement> measured, List<CacheMeasurement> caches, String disturbance) {
    /** A picture that is further than this from the most precise one shows it: {@value} dB. */
    public static final double LEAST_DECIBELS = 30;

    /**
     * Copies the lists.
     *
     * @throws IllegalArgumentException if nothing was measured
     */
    public TuningResult {
        measured = List.copyOf(measured);
        caches = List.copyOf(caches);
        if (measured.isEmpty()) {
            throw new IllegalArgumentException("a result has at least one measurement");
        }
    }

    /**
     * What one candidate took.
     *
     * @param precision the transformer's and the text encoder's number format
     * @param attention the attention backend that was in use, never {@link AttentionBackend#AUTO}
     * @param load how long the pipeline took to be built
     * @param step the fastest of its steps
     * @param decode how long the last picture took from latents to pixels
     * @param decibels peak signal-to-noise ratio of its picture to that of the most precise candidate, at most 99, which stands for equal
     */
    public record Measurement(
            Precision precision,
            AttentionBackend attention,
            Duration load,
            Duration step,
            Duration decode,
            double decibels) {

        /** Returns how long a picture of so many steps takes, the prompt left out. */
        public Duration picture(int steps) {
            return step.multipliedBy(steps).plus(decode);
        }

        /** Returns whether its picture cannot be told from the most precise one's, by {@link #LEAST_DECIBELS}. */
        public boolean isFaithful() {
            return decibels >= LEAST_DECIBELS;
        }
    }

    /**
     * What a step cache gave.
     *
     * @param cache the cache
     * @param forwards how often the transformer was evaluated for a picture, not counting guidance
     * @param picture how long the fastest of a few pictures took, the prompt left out
     * @param decibels peak signal-to-noise ratio of these pictures to those without a cache, all pixels together; at most 99
     */
    public record CacheMeasurement(StepCache cache, int forwards, Duration picture, double decibels) {
        /** Returns whether its pictures cannot be told from those without, by {@link #LEAST_DECIBELS}. */
        public boolean isFaithful() {
            return decibels >= LEAST_DECIBELS;
        }
    }

    /** Returns the fastest step cache of those that are {@linkplain CacheMeasurement#isFaithful faithful}, which may be none. */
    public StepCache stepCache() {
        return caches.stream()
                .filter(CacheMeasurement::isFaithful)
                .min(Comparator.comparing(CacheMeasurement::picture))
                .map(CacheMeasurement::cache)
                .orElse(StepCache.OFF);
    }

    /** Returns the candidate that the others are compared with: the most precise. */
    public Measurement reference() {
        return measured.get(0);
    }

    /** Returns the fastest of those that are {@linkplain Measurement#isFaithful faithful}. */
    public Measurement best() {
        return measured.stream()
                .filter(Measurement::isFaithful)
                .min(Comparator.comparing(each -> each.picture(steps)))
                .orElseThrow();
    }

    /** Returns the settings of the {@linkplain #best best}, for {@code PipelineBuilder.profile}. */
    public Profile profile() {
        return new Profile(modelKey, formats(best().precision()), best().attention(), stepCache());
    }

    /** Returns the formats of the components: the VAE does not compute in 8 bits. */
    static Map<Component, Precision> formats(Precision precision) {
        Map<Component, Precision> formats = new HashMap<>();
        for (Component component : Component.values()) {
            boolean eightBits = precision.isEightBit();
            formats.put(component, eightBits && component.equals(Component.VAE) ? Precision.BF16 : precision);
        }
        return formats;
    }
}
