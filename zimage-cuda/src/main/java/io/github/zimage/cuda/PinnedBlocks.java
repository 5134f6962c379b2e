package io.github.zimage.cuda;

import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.SlotWeights;
import io.github.zimage.internal.placement.Slots;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Blocks that wait in memory of the machine from which a card takes a whole block by itself, at full speed and without anybody waiting. A
 * block is read from the files when it is needed for the first time; those that find no room to stay are read each time, into a ring of a few
 * such memories, one more than there are readers.
 *
 * @param <E> what copies call an event
 */
final class PinnedBlocks<E> implements BlockSource {
    /** Each has a memory of the ring to read into. */
    private static final int READERS = 2;

    private final Copies<E> copies;
    private final TensorPlace place;
    private final WeightIndex index;
    private final List<String> units;
    private final UnitLayout layout;
    /** How many blocks may stay: all, or so many that the ring has room. */
    private final long keep;

    private final AtomicInteger taken = new AtomicInteger();
    private final TensorFiles files;
    private final ExecutorService readers;
    private final AtomicReferenceArray<@Nullable Pointer> kept;
    private final Queue<Staging<E>> ring = new ConcurrentLinkedQueue<>();
    /** Those that a block was not read into to its end. */
    private final Queue<Pointer> spare = new ConcurrentLinkedQueue<>();

    private final List<Pointer> memories = new ArrayList<>();

    /** A memory of the ring, and the end of the copy from it. */
    private record Staging<E>(Pointer memory, @Nullable E copied) {}

    /**
     * Opens the files.
     *
     * @param copies is closed with this
     * @param keepBytes how much memory blocks may stay in
     */
    PinnedBlocks(
            Copies<E> copies,
            TensorPlace place,
            WeightIndex index,
            List<String> units,
            UnitLayout layout,
            long keepBytes) {
        this.copies = copies;
        this.place = place;
        this.index = index;
        this.units = List.copyOf(units);
        this.layout = layout;
        long fit = keepBytes / layout.byteSize();
        keep = fit >= units.size() ? units.size() : Math.max(0, fit - READERS);
        kept = new AtomicReferenceArray<>(units.size());
        files = new TensorFiles(index);
        AtomicInteger number = new AtomicInteger();
        readers = Executors.newFixedThreadPool(READERS, task -> {
            Thread thread = new Thread(task, "zimage-reader-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
    }

    @Override
    public Slots<?> open(int count) {
        return new CardSlots(count);
    }

    /** Brings a block into memory that the card can read, unless the point is abandoned, and orders the copy. */
    private E bring(int unit, Pointer slot, Point<E> point, @Nullable E after) {
        Pointer own = kept.get(unit);
        if (own != null) {
            return copies.copy(own, slot, layout.byteSize(), after);
        }
        if (point.abandoned) {
            return copies.copy(null, slot, 0, after);
        }
        own = roomToStay();
        if (own != null) {
            try {
                read(unit, own, point);
                if (!point.abandoned) {
                    kept.set(unit, own);
                    return copies.copy(own, slot, layout.byteSize(), after);
                }
            } finally {
                if (kept.get(unit) == null) {
                    spare.add(own);
                }
            }
            return copies.copy(null, slot, 0, after);
        }
        Staging<E> staging = staging();
        E copied = null;
        try {
            if (staging.copied() != null) {
                copies.await(staging.copied());
            }
            read(unit, staging.memory(), point);
            copied = copies.copy(point.abandoned ? null : staging.memory(), slot, layout.byteSize(), after);
            return copied;
        } finally {
            ring.add(new Staging<>(staging.memory(), copied == null ? null : copies.again(copied)));
        }
    }

    private @Nullable Pointer roomToStay() {
        Pointer unused = spare.poll();
        return unused == null && taken.getAndIncrement() < keep ? allocate() : unused;
    }

    private @Nullable Pointer allocate() {
        Pointer memory = copies.allocate(layout.byteSize());
        if (memory != null) {
            synchronized (memories) {
                memories.add(memory);
            }
        }
        return memory;
    }

    private Staging<E> staging() {
        Staging<E> free = ring.poll();
        if (free != null) {
            return free;
        }
        Pointer memory = allocate();
        if (memory == null) {
            throw new OutOfDeviceMemoryException(
                    "the machine lacks %d MiB that a card could read a block from; close other programs"
                            .formatted(layout.byteSize() >> 20),
                    null);
        }
        return new Staging<>(memory, null);
    }

    private void read(int unit, Pointer memory, Point<E> point) {
        for (UnitLayout.Part part : layout.parts()) {
            files.read(
                    index.get(units.get(unit) + "." + part.name()),
                    part.type(),
                    (offset, length) -> new BytePointer(memory)
                            .position(part.offset() + offset)
                            .capacity(part.offset() + offset + length)
                            .asByteBuffer(),
                    () -> point.abandoned);
        }
    }

    @Override
    public void close() {
        readers.shutdown();
        copies.drain();
        memories.forEach(copies::free);
        memories.clear();
        copies.close();
        files.close();
    }

    /**
     * The end of a copy or of computations. Its event is there when it has been ordered.
     *
     * @param <E> what copies call an event
     */
    static final class Point<E> {
        private CompletableFuture<E> event;
        private volatile boolean abandoned;
        private volatile @Nullable Throwable failure;

        private Point(CompletableFuture<E> event) {
            this.event = event;
        }
    }

    /** Slots on the card. */
    private final class CardSlots implements Slots<Point<E>> {
        private final List<Tensor> slots = new ArrayList<>();
        private final List<Pointer> addresses = new ArrayList<>();
        private final List<SlotWeights> views = new ArrayList<>();
        private final List<Point<E>> fills = new ArrayList<>();

        CardSlots(int count) {
            try (PointerScope scope = new PointerScope()) {
                for (int i = 0; i < count; i++) {
                    Tensor slot = Tensors.keep(place.empty(ScalarType.Byte, layout.byteSize()));
                    slots.add(slot);
                    addresses.add(Tensors.keep(slot.data_ptr()));
                }
            } catch (RuntimeException | Error e) {
                close();
                throw e;
            }
            // Whoever had this memory before may still be computing with it.
            copies.await(copies.copy(null, addresses.get(0), 0, copies.computed()));
        }

        @Override
        public TensorSource weights(int slot) {
            SlotWeights source = new SlotWeights(place, layout, units.get(0), slots.get(slot));
            views.add(source);
            return source;
        }

        /** Blocks here are made once for each slot. */
        @Override
        public void release(int slot) {}

        @Override
        public Point<E> fill(int unit, int slot, @Nullable Point<E> after) {
            Point<E> point = new Point<>(new CompletableFuture<>());
            Pointer address = addresses.get(slot);
            fills.removeIf(each -> each.event.isDone());
            fills.add(point);
            if (kept.get(unit) != null && (after == null || after.event.isDone())) {
                point.event.complete(order(unit, address, point, after == null ? null : after.event.join()));
            } else if (after == null) {
                point.event = CompletableFuture.supplyAsync(() -> order(unit, address, point, null), readers);
            } else {
                point.event = after.event.thenApplyAsync(event -> order(unit, address, point, event), readers);
            }
            return point;
        }

        private E order(int unit, Pointer slot, Point<E> point, @Nullable E after) {
            try {
                return bring(unit, slot, point, after);
            } catch (RuntimeException | Error e) {
                point.failure = e;
                // What comes into the slot later must still come after what is computed with it now.
                return copies.copy(null, slot, 0, after);
            }
        }

        /** Waits until the copy has been ordered, which it is at once when the block waits in memory. What reading threw is thrown here. */
        @Override
        public void computeAfter(Point<E> filled) {
            E event = filled.event.join();
            Throwable failure = filled.failure;
            if (failure instanceof RuntimeException exception) {
                throw exception;
            }
            if (failure instanceof Error error) {
                throw error;
            }
            copies.computeAfter(event);
        }

        @Override
        public Point<E> computed() {
            return new Point<>(CompletableFuture.completedFuture(copies.computed()));
        }

        @Override
        public void abandon(Point<E> filled) {
            filled.abandoned = true;
        }

        @Override
        public void close() {
            fills.forEach(fill -> fill.abandoned = true);
            fills.forEach(fill -> fill.event.join());
            copies.drain();
            views.forEach(SlotWeights::close);
            views.clear();
            addresses.forEach(Pointer::close);
            addresses.clear();
            slots.forEach(Tensor::close);
            slots.clear();
        }
    }
}
