package io.github.zimage.internal.pipeline;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.VaeTiling;
import java.util.Map;
import java.util.Objects;

/**
 * How an engine computes.
 *
 * @param precisions each component's precision
 * @param attention the attention backend's name
 * @param vaeTiling whether pictures are decoded in tiles
 */
public record EngineOptions(Map<Component, Precision> precisions, AttentionBackend attention, VaeTiling vaeTiling) {

    /** Copies the map. */
    public EngineOptions {
        precisions = Map.copyOf(precisions);
    }

    /** Returns a component's precision. */
    public Precision precision(Component component) {
        return Objects.requireNonNull(precisions.get(component));
    }
}
