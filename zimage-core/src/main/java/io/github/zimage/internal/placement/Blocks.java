package io.github.zimage.internal.placement;

import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.weights.WeightStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of a model, in memory or coming and going. All have weights of the same shapes.
 *
 * @param <B> a block
 */
public final class Blocks<B> {
    private final List<String> names;
    private final Supplier<UnitLayout> layout;
    private final WeightStore weights;
    private final BlockSource.Maker sourceMaker;
    private final BiFunction<TensorSource, String, B> maker;
    /** Null for those that come and go. */
    private final List<@Nullable B> blocks = new ArrayList<>();

    private final int slots;
    private @Nullable BlockSource source;
    private @Nullable Ring<B> ring;

    /**
     * Slots.
     *
     * @param blocks in each slot a block that has the weights of whichever block was brought there last; none if a block is made each
     *     time weights come
     */
    private record Ring<B>(Slots<?> memory, UnitSchedule<?> schedule, List<B> blocks) {}

    /**
     * Some of the blocks, one after the other.
     *
     * @param from the first
     * @param to behind the last
     */
    public record Range(int from, int to) {
        /** No block. */
        public static final Range NONE = new Range(0, 0);
    }

    /**
     * Makes the blocks that stay.
     *
     * @param names their names; those that run most often come first
     * @param lasting how many, from the first on, can stay when others do not
     * @param layout gives that of the weights of each of them
     * @param weights must stay open as long as the blocks are used
     * @param sourceMaker makes what the blocks that do not stay come from
     * @param maker makes a block from weights and its name
     */
    public Blocks(
            List<String> names,
            int lasting,
            Residence residence,
            Supplier<UnitLayout> layout,
            WeightStore weights,
            BlockSource.Maker sourceMaker,
            BiFunction<TensorSource, String, B> maker) {
        this.names = List.copyOf(names);
        this.layout = layout;
        this.weights = weights;
        this.sourceMaker = sourceMaker;
        this.maker = maker;
        int coming = 0;
        for (int i = 0; i < names.size(); i++) {
            boolean stays = i < lasting ? residence.stays(i, lasting) : residence.kind() != Residence.Kind.STREAMED;
            blocks.add(stays ? maker.apply(weights, names.get(i)) : null);
            coming += stays ? 0 : 1;
        }
        slots = Math.min(residence.slots(), coming);
    }

    /**
     * Begins to run some of the blocks.
     *
     * @param next what will be run after that, if anything, so that it can be on its way
     */
    public Pass pass(Range range, Range next) {
        int[] units = comingIn(range);
        int[] nextUnits = comingIn(next);
        Ring<B> used = units.length + nextUnits.length == 0 ? null : ring();
        if (used != null) {
            used.schedule().begin(units, nextUnits);
        }
        return new Pass(range, used);
    }

    private int[] comingIn(Range range) {
        return IntStream.range(range.from(), range.to())
                .filter(i -> blocks.get(i) == null)
                .toArray();
    }

    private Ring<B> ring() {
        Ring<B> made = ring;
        if (made == null) {
            Slots<?> memory = source().open(slots);
            made = new Ring<>(memory, new UnitSchedule<>(memory, slots), new ArrayList<>());
            ring = made;
            for (int slot = 0; slot < slots && !layout.get().isRemade(); slot++) {
                made.blocks().add(maker.apply(memory.weights(slot), names.get(0)));
            }
        }
        return made;
    }

    private BlockSource source() {
        BlockSource made = source;
        if (made == null) {
            made = weights.own(sourceMaker.source(weights.index(), names, layout.get()));
            source = made;
        }
        return made;
    }

    /** Frees the memory of the blocks that come and go, until the next pass. */
    public void rest() {
        if (ring != null) {
            ring.memory().close();
            ring = null;
        }
    }

    /** A run through some of the blocks. */
    public final class Pass implements AutoCloseable {
        private final @Nullable Ring<B> ring;
        private final int end;
        private int next;
        /** The slot of the block that is in use, or -1. */
        private int taken = -1;

        private Pass(Range range, @Nullable Ring<B> ring) {
            this.ring = ring;
            next = range.from();
            end = range.to();
        }

        /** Returns the next block, which can be used until this is called again or the pass closed. May wait for its weights. */
        public B next() {
            release();
            if (next == end) {
                throw new IllegalStateException("the pass has no further block");
            }
            B block = blocks.get(next);
            if (block == null) {
                if (ring == null) {
                    throw new IllegalStateException("no slots for " + names.get(next));
                }
                taken = ring.schedule().take();
                block = ring.blocks().isEmpty()
                        ? maker.apply(ring.memory().weights(taken), names.get(0))
                        : ring.blocks().get(taken);
            }
            next++;
            return block;
        }

        private void release() {
            if (taken >= 0 && ring != null) {
                if (ring.blocks().isEmpty()) {
                    ring.memory().release(taken);
                }
                taken = -1;
                ring.schedule().done();
            }
        }

        /** Ends the pass; if blocks are left, what was on its way is given up. */
        @Override
        public void close() {
            if (next == end) {
                release();
            } else if (ring != null) {
                if (taken >= 0 && ring.blocks().isEmpty()) {
                    ring.memory().release(taken);
                }
                ring.schedule().abandon();
            }
        }
    }
}
