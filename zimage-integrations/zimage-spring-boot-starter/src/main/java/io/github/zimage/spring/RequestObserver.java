package io.github.zimage.spring;

import java.time.Duration;

/** Hears how requests get on; the methods do nothing unless overridden. */
interface RequestObserver {
    /** Hears nothing. */
    RequestObserver NONE = new RequestObserver() {};

    /** A device begins with a request that has waited. */
    default void onStart(Duration waited) {}

    /** A step is done. */
    default void onStep(Duration elapsed) {}

    /** An allocation failed and is tried again. */
    default void onRelief() {}

    /** A request has ended well. */
    default void onSuccess(Duration elapsed, int images) {}

    /** A request has failed. */
    default void onFailure(RuntimeException reason) {}
}
