package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * All that has to be known of a component to plan it.
 *
 * @param component its names
 * @param tensors the shapes of its weights by their names, as its configuration gives them
 * @param roles what the engine does with them
 * @param cadence how often blocks that do not stay come
 * @param phases those that it runs in, in order
 * @param memory tells what it needs beside its weights
 */
public record CatalogEntry(
        Component component,
        Map<String, List<Long>> tensors,
        WeightRoles roles,
        Cadence cadence,
        List<Phase> phases,
        MemoryMaker memory) {

    /** Makes what tells a component's needs beside its weights. */
    @FunctionalInterface
    public interface MemoryMaker {
        /**
         * Returns a component's needs.
         *
         * @param precision what it computes in
         * @param weights the sizes of its weights
         */
        ComponentMemory of(Precision precision, WeightSizes weights);
    }

    /** Copies the collections. */
    public CatalogEntry {
        tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
        phases = List.copyOf(phases);
    }
}
