package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;

/**
 * How the model of a component is made from its weights. A kind of component is one class with one instance, by which a {@link LoadedModel}
 * knows it; nothing else has to know it.
 *
 * @param <M> the model
 */
public interface ComponentLoader<M> {
    /** Returns the component. */
    Component component();

    /** Returns the component's weights. */
    default WeightIndex weights(Checkpoint checkpoint) {
        return checkpoint.weights(component());
    }

    /**
     * Makes the model.
     *
     * @param weights stay open as long as the model is used
     */
    M load(WeightStore weights, LoadContext context);

    /** Returns whether large matrices may be copied into the layout that the processor multiplies fastest by. */
    default boolean isPacked(EngineOptions options) {
        return false;
    }

    /** Returns whether the model has to be made anew when it is computed in another way, beside where its weights stay. */
    default boolean changesWith(EngineOptions before, EngineOptions after) {
        return false;
    }

    /** Frees what the model needs only while it computes. */
    default void rest(M model) {}

    /** Frees what the model keeps to use it again. */
    default void forget(M model) {}
}
