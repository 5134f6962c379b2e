package io.github.zimage.internal.placement;

import io.github.zimage.Precision;

/** How much memory a component needs beside its weights, in bytes. */
public interface ComponentMemory {
    /** Returns how many bytes a number takes between the layers of a component. */
    static int typeBytes(Precision precision) {
        return precision == Precision.FP32 ? Float.BYTES : Short.BYTES;
    }

    /**
     * Returns what it needs at the peak of a phase that it runs in.
     *
     * @param tile how many rows of a picture are decoded at a time, or 0 for whole pictures
     */
    long activations(Phase phase, Workload work, int tile);

    /** Returns what of {@link #activations} depends on the tile: what it takes to decode one picture. */
    default long decoding(Workload work, int tile) {
        return 0;
    }

    /** Returns what cuDNN takes to try its convolutions in a phase that it runs in. */
    default long workspaces(Phase phase, Workload work, int tile) {
        return 0;
    }

    /** Returns what of a mapped table of embeddings is in memory once it has run. */
    default long embeddingRows(Workload work) {
        return 0;
    }

    /** Returns what is kept for later requests wherever its weights are. */
    default long kept(Workload work) {
        return 0;
    }

    /** Returns what recordings of its work keep, if it is recorded. */
    default long recordings(Workload work) {
        return 0;
    }
}
