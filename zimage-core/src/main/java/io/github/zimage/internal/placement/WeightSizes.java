package io.github.zimage.internal.placement;

import io.github.zimage.Precision;
import java.util.List;
import java.util.stream.Stream;

/**
 * How much memory the weights of a component take.
 *
 * @param blocks the bytes of each block that can stay or be streamed
 * @param once the bytes of each block that never stays if others are streamed, because it runs only once a request
 * @param modulation the bytes of what turns timesteps into the norms of blocks, which is loaded for each new schedule
 * @param rest the bytes of what is needed all the time
 * @param embeddings the bytes of the table of embeddings, of which only some rows are read; 0 for all but the text encoder
 * @param largest the bytes of the largest matrix
 */
public record WeightSizes(
        List<Long> blocks, List<Long> once, long modulation, long rest, long embeddings, long largest) {
    /** Copies the lists. */
    public WeightSizes {
        blocks = List.copyOf(blocks);
        once = List.copyOf(once);
    }

    /** Returns the bytes of all weights. */
    public long bytes() {
        return blockBytes() + modulation + rest + embeddings;
    }

    /**
     * Returns the bytes of the largest matrix with its copies. One of 8-bit integers that is packed is there column by column, row by row, and
     * packed beside the one it is made of.
     */
    long largestWithCopies(Precision precision) {
        return (precision == Precision.INT8 ? 3 : 1) * largest;
    }

    /** Returns the bytes of all blocks. */
    long blockBytes() {
        return Stream.concat(blocks.stream(), once.stream())
                .mapToLong(Long::longValue)
                .sum();
    }

    /** Returns the bytes of the largest block, which is what a slot has to hold. */
    long slotBytes() {
        return Stream.concat(blocks.stream(), once.stream())
                .mapToLong(Long::longValue)
                .max()
                .orElse(0);
    }
}
