package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** What components compute in, as it was set: for one, by a profile, or for all. Not thread-safe. */
public final class PrecisionChoice {
    private final Map<Component, Precision> own = new HashMap<>();
    private Map<Component, Precision> profiled = Map.of();
    private Precision all = Precision.BF16;

    /** Sets it for all components that have none of their own, in place of what a profile said. */
    public void setAll(Precision precision) {
        all = precision;
        profiled = Map.of();
    }

    /**
     * Sets it for one component.
     *
     * @throws IllegalArgumentException for the VAE and a precision of 8 bits
     */
    public void set(Component component, Precision precision) {
        if (component.folder().equals(Component.VAE.folder()) && precision.isEightBit()) {
            throw new IllegalArgumentException("the %s precision must be FP32 or BF16, but was %s"
                    .formatted(component.equals(Component.UPSCALER) ? "upscaler's" : "VAE's", precision));
        }
        own.put(component, precision);
    }

    /** Sets what a profile says, in place of what was set for components. */
    public void setProfile(Map<Component, Precision> precisions) {
        own.clear();
        profiled = Map.copyOf(precisions);
    }

    /** Returns each component's, in the order of the components; of one that shares a folder only what was set for it. */
    public Map<Component, Precision> resolved() {
        Map<Component, Precision> resolved = new LinkedHashMap<>();
        for (Component component : Component.values()) {
            Precision otherwise = component.equals(Component.VAE) && all.isEightBit() ? Precision.BF16 : all;
            resolved.put(component, own.getOrDefault(component, profiled.getOrDefault(component, otherwise)));
        }
        own.forEach(resolved::putIfAbsent);
        return resolved;
    }
}
