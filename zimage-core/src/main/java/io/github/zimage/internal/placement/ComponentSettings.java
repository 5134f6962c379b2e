package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What is set for components. One without a setting of its own has that of the one whose folder it shares. */
public final class ComponentSettings {
    private ComponentSettings() {}

    /** Returns a component's setting, or null if there is none. */
    public static <T> @Nullable T of(Map<Component, T> settings, Component component) {
        T own = settings.get(component);
        if (own != null) {
            return own;
        }
        return settings.entrySet().stream()
                .filter(each -> each.getKey().id().equals(component.folder()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
    }
}
