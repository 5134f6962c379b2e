package io.github.zimage.tuning;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;

/**
 * Hears how a {@link Tuner} gets on. Every method does nothing unless overridden. All are called by the thread that tunes; an exception that
 * one throws ends the tuning and reaches its caller.
 */
public interface TuningListener {

    /** A candidate is about to be loaded. */
    default void onCandidate(Precision precision, AttentionBackend attention) {}

    /** A picture of the candidate is about to be drawn. */
    default void onPicture() {}

    /** The candidate has been measured. */
    default void onMeasured(TuningResult.Measurement measurement) {}

    /** A step cache, or none, has been measured. */
    default void onStepCache(TuningResult.CacheMeasurement measurement) {}

    /**
     * A candidate is not measured, or no longer.
     *
     * @param reason why: memory is short, the processor lacks instructions, or it is far slower than the best so far
     */
    default void onLeftOut(Precision precision, AttentionBackend attention, String reason) {}
}
