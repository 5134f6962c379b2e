package io.github.zimage.internal.placement;

import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;

/** Where the blocks of a component wait that come and go. */
public interface BlockSource extends WeightStore.Owned {
    /** Allocates slots. They are closed before this is. */
    Slots<?> open(int count);

    /** Frees what the blocks waited in. */
    @Override
    void close();

    /** Makes the source of a component's blocks. */
    interface Maker {
        /**
         * Makes a source; nothing has to be read yet.
         *
         * @param units the blocks' names
         * @param layout how each lies in a slot
         */
        BlockSource source(WeightIndex index, List<String> units, UnitLayout layout);
    }

    /** Returns a source for slots in main memory, which are filled from the files. */
    static BlockSource files(WeightIndex index, List<String> units, UnitLayout layout) {
        return new BlockSource() {
            @Override
            public Slots<?> open(int count) {
                long available = MachineMemory.ofThisMachine().available().orElse(Long.MAX_VALUE);
                return new SlotMemory(index, units, layout, count, available);
            }

            @Override
            public void close() {}
        };
    }
}
