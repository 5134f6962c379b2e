package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import java.util.List;

/**
 * The modules of a model that a name in an adapter's file means.
 *
 * @param modules one, or those whose matrices lie one below the other in the one that is meant
 */
record Target(Component component, List<String> modules) {

    /** Returns whether a matrix is meant that the model has in several parts. */
    boolean isFused() {
        return modules.size() > 1;
    }

    @Override
    public String toString() {
        return String.join(" + ", modules);
    }
}
