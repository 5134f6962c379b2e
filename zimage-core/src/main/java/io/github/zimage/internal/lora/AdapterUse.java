package io.github.zimage.internal.lora;

import java.util.Map;

/**
 * An adapter at a weight.
 *
 * @param weight that of all modules
 * @param parts what it is multiplied by in some of them, by the name of a module or of what it is part of, such as {@code layers.7} or {@code
 *     noise_refiner}; the longest name that fits counts
 */
public record AdapterUse(Adapter adapter, double weight, Map<String, Double> parts) {

    /** Copies the map. */
    public AdapterUse {
        parts = Map.copyOf(parts);
    }

    /** Returns the weight of a tensor's change. */
    double weight(String tensor) {
        String module = ModuleNames.module(tensor);
        int longest = -1;
        double factor = 1;
        for (Map.Entry<String, Double> each : parts.entrySet()) {
            String name = each.getKey();
            boolean fits = module.equals(name) || module.startsWith(name + ".");
            if (fits && name.length() > longest) {
                longest = name.length();
                factor = each.getValue();
            }
        }
        return weight * factor;
    }
}
