package io.github.zimage.internal.weights;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Rows that are made of what adapters add. */
abstract class AddedRows extends RowData {
    private final List<LowRank> additions;

    AddedRows(int columns, List<LowRank> additions) {
        super(columns);
        this.additions = List.copyOf(additions);
    }

    final List<LowRank> additions() {
        return additions;
    }

    @Override
    public List<Path> files() {
        return additions.stream()
                .flatMap(each -> Stream.of(each.down(), each.up()))
                .flatMap(factor -> factor.data().files().stream())
                .distinct()
                .toList();
    }

    @Override
    public String key() {
        return additions.stream()
                .map(each -> key(each.down()) + " " + key(each.up()) + " " + each.scale())
                .collect(Collectors.joining("; ", getClass().getSimpleName() + " " + columns() + ": ", ""));
    }

    static String key(TensorEntry entry) {
        return entry.type() + " " + entry.shape() + " " + entry.data().files() + " " + entry.offset() + " "
                + entry.data().key();
    }

    /** Returns all numbers of the first factor. */
    static float[] down(FileReader files, LowRank addition) throws IOException {
        return floats(files, addition.down(), 0, Math.toIntExact(addition.down().elements()));
    }

    /** Returns some rows of the second factor, times the scale. */
    static float[] up(FileReader files, LowRank addition, long first, int count) throws IOException {
        float[] up = floats(files, addition.up(), first * addition.rank(), count * addition.rank());
        for (int i = 0; i < up.length; i++) {
            up[i] = (float) (up[i] * addition.scale());
        }
        return up;
    }
}
