package io.github.zimage.demo;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.function.LongConsumer;

/**
 * Makes checkpoints with random weights: real in every respect (layout, names, shapes, shards, a tokenizer) but for what
 * they paint. For measuring and tuning at full size without a download, and for tests at small size. The weights are scaled
 * so that all numbers stay finite on their way through the model.
 */
public final class SyntheticModel {

    /** How large a model is made. */
    public enum Size {
        /** A few megabytes: every kind of layer, but few and narrow ones. */
        TINY,
        /** The shapes of Z-Image-Turbo with its text encoder and VAE: 20.5 GB as BF16, 41 GB as FP32. */
        TURBO
    }

    private SyntheticModel() {}

    /**
     * Returns how many bytes the weights of a model take on the disk.
     *
     * @throws IllegalArgumentException if the format is one of 8 bits
     */
    public static long byteSize(Size size, Precision storage) {
        return SyntheticCheckpoint.of(size, storage).byteSize();
    }

    /**
     * Writes a checkpoint folder. It is whole when this returns; if this fails, nothing is left of it. Blocks for as long as
     * the disk needs.
     *
     * @param folder a folder that does not exist yet or is empty
     * @param size how large a model
     * @param storage the format that all weights are stored in
     * @param seed makes the same weights again
     * @param onProgress hears how many bytes of weights have been written, often, the last time {@link #byteSize}
     * @throws IllegalArgumentException if the folder is not empty, or is a file, or if the format is one of 8 bits
     * @throws ZImageException if the disk has too little space
     * @throws UncheckedIOException if anything cannot be written
     */
    public static void write(Path folder, Size size, Precision storage, long seed, LongConsumer onProgress) {
        SyntheticCheckpoint.of(size, storage).write(folder, seed, onProgress);
    }
}
