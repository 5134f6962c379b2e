package io.github.zimage.internal.nn;

import java.util.Map;

/**
 * What was measured for one shape of a linear layer.
 *
 * @param teraflops rates by method
 * @param choice the method to take
 */
public record LinearMeasurement(Map<String, Double> teraflops, String choice) {
    /** Copies the map. */
    public LinearMeasurement {
        teraflops = Map.copyOf(teraflops);
    }
}
