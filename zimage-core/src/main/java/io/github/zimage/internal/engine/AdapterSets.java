package io.github.zimage.internal.engine;

import io.github.zimage.internal.lora.AdapterUse;
import java.util.List;

/**
 * The adapters of a request, at their weights.
 *
 * @param positive those for what pictures shall show
 * @param negative those for what they shall not
 */
public record AdapterSets(List<AdapterUse> positive, List<AdapterUse> negative) {
    /** No adapters. */
    public static final AdapterSets NONE = new AdapterSets(List.of(), List.of());

    /** Copies the lists. */
    public AdapterSets {
        positive = List.copyOf(positive);
        negative = List.copyOf(negative);
    }
}
