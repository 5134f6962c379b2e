package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** By how much DoRA changes the rows of a matrix itself: for each the sum of {@code weight * (factor - 1)}. */
final class GainRows extends FactorRows {
    private final List<Gain> gains;

    /** The factors of an adapter, and its weight. */
    record Gain(DoraFactors factors, double weight) {}

    private GainRows(List<Gain> gains) {
        super(1, List.of(), text(gains));
        this.gains = List.copyOf(gains);
    }

    private static String text(List<Gain> gains) {
        List<String> keys = new ArrayList<>();
        gains.forEach(each -> keys.add(each.weight() + " " + each.factors().key()));
        return keys.toString();
    }

    /** Returns [out]. */
    static TensorEntry of(String name, long out, List<Gain> gains) {
        return new GainRows(gains).entry(name, List.of(out));
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        for (Gain each : gains) {
            float[] factors = each.factors().factors(files);
            for (int i = 0; i < values.length; i++) {
                values[i] += (float) (each.weight() * (factors[Math.toIntExact(first + i)] - 1.0));
            }
        }
    }
}
