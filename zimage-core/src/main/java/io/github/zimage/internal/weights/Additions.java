package io.github.zimage.internal.weights;

import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Indices of weights with what adapters add to them. */
public final class Additions {
    private Additions() {}

    /**
     * Returns an index of the same weights, some of which get additions while they are read: summed up and given in FP32, to be rounded
     * once.
     *
     * @param additions by the matrices' names
     * @throws IllegalArgumentException if a shape does not fit, or a matrix is of 8-bit integers, which would be rounded twice
     */
    public static WeightIndex merged(WeightIndex index, Map<String, List<LowRank>> additions) {
        return index.with((name, matrix) -> {
            List<LowRank> added = additions.getOrDefault(name, List.of());
            added.forEach(each -> each.requireFor(matrix));
            if (!added.isEmpty() && !matrix.type().isSupportedWeight()) {
                throw new IllegalArgumentException(name + " must be of F32, F16 or BF16 to be merged, but is of "
                        + matrix.type() + ": keep its additions beside it");
            }
            return added.isEmpty() ? matrix : new MergedRows(matrix, added).entry(name, matrix.shape());
        });
    }

    /**
     * Returns an index of the same weights and, behind them, two further ones for each matrix that has additions. Matrices of the same
     * place in other blocks get some, too, of the same shapes and with zeros, so that all blocks have weights of the same shapes.
     *
     * @param weights the list of the component's blocks
     * @param additions by the matrices' names
     * @throws IllegalArgumentException if a shape does not fit
     */
    public static WeightIndex beside(WeightIndex index, BlockWeights weights, Map<String, List<LowRank>> additions) {
        Map<String, Integer> ranks = new HashMap<>();
        additions.forEach((name, added) -> {
            TensorEntry matrix = index.get(name);
            added.forEach(each -> each.requireFor(matrix));
            int rank = ranks(added);
            ranks.merge(weights.withinBlock(name), rank, Math::max);
        });
        Map<String, TensorEntry> further = new LinkedHashMap<>();
        for (TensorEntry matrix : index.tensors().values()) {
            int rank = ranks.getOrDefault(weights.withinBlock(matrix.name()), 0);
            if (rank > 0 && matrix.shape().size() == 2) {
                List<LowRank> added = additions.getOrDefault(matrix.name(), List.of());
                TensorEntry down = down(matrix.name(), added, matrix.shape().get(1), rank);
                TensorEntry up = up(matrix.name(), added, matrix.shape().get(0), rank);
                further.put(down.name(), down);
                further.put(up.name(), up);
            }
        }
        return index.with(further);
    }

    /** Returns the first factor of what several additions to a matrix, one or more, are together: [ranks, in]. */
    public static TensorEntry down(String matrix, List<LowRank> additions) {
        return down(matrix, additions, additions.get(0).down().shape().get(1), ranks(additions));
    }

    /** Returns the second factor, with the scales in it: [out, ranks]. */
    public static TensorEntry up(String matrix, List<LowRank> additions) {
        return up(matrix, additions, additions.get(0).up().shape().get(0), ranks(additions));
    }

    private static int ranks(List<LowRank> additions) {
        return additions.stream().mapToInt(LowRank::rank).sum();
    }

    private static TensorEntry down(String matrix, List<LowRank> additions, long in, int ranks) {
        return new DownRows(Math.toIntExact(in), additions).entry(LowRank.down(matrix), List.of((long) ranks, in));
    }

    private static TensorEntry up(String matrix, List<LowRank> additions, long out, int ranks) {
        return new UpRows(ranks, additions).entry(LowRank.up(matrix), List.of(out, (long) ranks));
    }
}
