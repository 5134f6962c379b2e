package io.github.zimage.internal.lora;

import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.RowData;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;

/** Rows that are made of tensors of adapters' files. */
abstract class FactorRows extends RowData {
    private final List<TensorEntry> from;
    private final String key;

    /**
     * Prepares for rows.
     *
     * @param from what they are made of
     * @param key changes with what is made of it
     */
    FactorRows(int columns, Collection<TensorEntry> from, String key) {
        super(columns);
        this.from = List.copyOf(from);
        this.key = getClass().getSimpleName() + ' ' + columns + ' ' + key;
    }

    FactorRows(int columns, Delta delta, String key) {
        this(columns, delta.factors(), key + ' ' + delta.key());
    }

    @Override
    public List<Path> files() {
        return from.stream()
                .flatMap(each -> each.data().files().stream())
                .distinct()
                .toList();
    }

    @Override
    public String key() {
        return key;
    }
}
