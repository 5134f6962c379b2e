package io.github.zimage.internal.weights;

import io.github.zimage.internal.safetensors.TensorEntry;
import java.util.List;

/** What several adapters add to a matrix, together: one pair of factors. */
public final class Additions {
    private Additions() {}

    /** Returns the first factor of what several additions to a matrix, one or more, are together: [ranks, in]. */
    public static TensorEntry down(String matrix, List<LowRank> additions) {
        long in = additions.get(0).down().shape().get(1);
        return new DownRows(Math.toIntExact(in), additions)
                .entry(LowRank.down(matrix), List.of((long) ranks(additions), in));
    }

    /** Returns the second factor, with the scales in it: [out, ranks]. */
    public static TensorEntry up(String matrix, List<LowRank> additions) {
        long out = additions.get(0).up().shape().get(0);
        int ranks = ranks(additions);
        return new UpRows(ranks, additions).entry(LowRank.up(matrix), List.of(out, (long) ranks));
    }

    private static int ranks(List<LowRank> additions) {
        return additions.stream().mapToInt(LowRank::rank).sum();
    }
}
