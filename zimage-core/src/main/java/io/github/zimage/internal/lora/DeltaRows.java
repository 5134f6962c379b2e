package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;

/** The rows of a matrix that several adapters' differences add up to. */
final class DeltaRows extends FactorRows {
    private final List<Delta> deltas;

    /** Prepares for the sum of some differences of the same shape. */
    DeltaRows(int columns, List<Delta> deltas) {
        super(columns, tensors(deltas), deltas.stream().map(Delta::key).collect(Collectors.joining("; ")));
        this.deltas = List.copyOf(deltas);
    }

    private static List<TensorEntry> tensors(List<Delta> deltas) {
        return deltas.stream().flatMap(each -> each.factors().stream()).toList();
    }

    @Override
    protected void rows(FileReader files, long first, float[] values) throws IOException {
        for (Delta each : deltas) {
            each.addRows(files, first, values);
        }
    }
}
