package io.github.zimage.internal.transformer;

import io.github.zimage.internal.placement.Blocks.Range;
import io.github.zimage.internal.schedule.Evaluation;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Joins in between the blocks of the transformer while pictures go through them: adds to their streams, as a ControlNet does, or lets blocks be
 * left out, as a step cache does. One hook serves one request; several run in the order in which they were attached.
 *
 * <p>Nothing here may ask the device for a number if the pictures shall not wait for it. Each call has a scope of its own for what it makes:
 * what is kept longer is {@linkplain io.github.zimage.internal.runtime.Tensors#keep kept} and closed by the hook.
 */
public interface BlockHook extends AutoCloseable {
    /**
     * Begins an evaluation of some pictures.
     *
     * @param pictures those of several prompts and, with guidance, their negative ones: each the same object in all evaluations, so that a
     *     hook can keep something for it. A picture's result must not depend on which others are here.
     * @return what joins in, or null if nothing does this time
     */
    @Nullable
    Pass begin(Evaluation at, List<TransformerInput> pictures);

    /** Returns in how many evaluations so far it had most blocks left out for a picture. */
    default int leftOut(TransformerInput picture) {
        return 0;
    }

    /** Frees what is kept. */
    @Override
    default void close() {}

    /**
     * Joins in in one evaluation. Each method gets the streams of the pictures that are there: a picture that leaves out a block is not in the
     * list that comes after it.
     */
    interface Pass extends AutoCloseable {
        /**
         * Returns main blocks that are known to be left out by all pictures, so that their weights need not come; those that were on their way
         * when the evaluation began do, as many as there are slots, from the noise refiner on. {@link PictureStream#skipTo} must still be
         * called for each picture.
         */
        default Range skips() {
            return Range.NONE;
        }

        /**
         * Returns what it does for one picture as work that can be recorded with the transformer's and replayed; null if operations have to be
         * ordered one by one.
         */
        default @Nullable Recordable recordable(TransformerInput picture) {
            return null;
        }

        /** The noise refiner's blocks follow. */
        default void beforeRefiner(List<PictureStream> streams) {}

        /** A block of the noise refiner, from 0, has run. */
        default void afterRefiner(int block, List<PictureStream> streams) {}

        /** The main blocks follow. */
        default void beforeBlocks(List<PictureStream> streams) {}

        /** A main block, from 0, has run. */
        default void afterBlock(int block, List<PictureStream> streams) {}

        /** The evaluation is over, or has failed. */
        @Override
        default void close() {}
    }

    /** Work between the blocks of one picture that is the same in all evaluations, but for the content of some tensors. */
    interface Recordable {
        /** Returns what the work depends on beside that content: work of an equal shape can be replayed for this. */
        Object shape();

        /** Returns the tensors that it reads, as they are in this evaluation. */
        List<Tensor> reads();

        /**
         * Returns the same work, to be run any number of times, that reads from others.
         *
         * @param own for each of {@link #reads} one of its type and shape, whose content may change between two runs
         */
        Pass reading(List<Tensor> own);
    }
}
