package io.github.zimage.internal.placement;

import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.internal.weights.WeightIndex;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * Slots in main memory, which threads of their own fill from the checkpoint's files. The processor computes when it is told to, so
 * whoever wants to compute with a slot waits until it is filled.
 *
 * <p>Files are read, not mapped, so that the slots are all the memory that streamed weights take. Where not all of them fit into the
 * system's page cache, a {@link CacheShare} of them is left to it.
 */
final class SlotMemory implements Slots<SlotMemory.Fill> {
    /** More would only take time from the threads that compute. */
    private static final int MAX_READERS = 2;

    private static final Fill PAST = new Fill(CompletableFuture.completedFuture(0), new AtomicBoolean());

    private final WeightIndex index;
    private final List<String> units;
    private final UnitLayout layout;
    private final TensorFiles files;
    private final CacheShare cacheShare;
    private final ExecutorService readers;
    private final List<Fill> fills = new ArrayList<>();
    private final List<Tensor> slots = new ArrayList<>();
    private final List<BytePointer> addresses = new ArrayList<>();
    private final Map<Integer, List<SlotWeights>> views = new HashMap<>();

    /** The filling of a slot. */
    record Fill(CompletableFuture<?> end, AtomicBoolean abandoned) {}

    /**
     * Allocates slots and opens the files.
     *
     * @param units the blocks' names
     * @param available how much memory the system could give
     */
    SlotMemory(WeightIndex index, List<String> units, UnitLayout layout, int count, long available) {
        this.index = index;
        this.units = units;
        this.layout = layout;
        files = new TensorFiles(index);
        long unitBytes = layout.parts().stream()
                .mapToLong(part -> entry(0, part).byteSize())
                .sum();
        cacheShare = new CacheShare(unitBytes, units.size(), available - count * layout.byteSize());
        AtomicInteger number = new AtomicInteger();
        readers = Executors.newFixedThreadPool(Math.max(1, Math.min(MAX_READERS, count - 1)), task -> {
            Thread thread = new Thread(task, "zimage-reader-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
        try (PointerScope scope = new PointerScope()) {
            for (int i = 0; i < count; i++) {
                Tensor slot = Tensors.keep(Tensors.empty(ScalarType.Byte, layout.byteSize()));
                slots.add(slot);
                addresses.add(new BytePointer(slot.data_ptr()));
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    @Override
    public TensorSource weights(int slot) {
        SlotWeights source = new SlotWeights(TensorPlace.CPU, layout, units.get(0), slots.get(slot));
        views.computeIfAbsent(slot, key -> new ArrayList<>()).add(source);
        return source;
    }

    @Override
    public void release(int slot) {
        List<SlotWeights> sources = views.remove(slot);
        if (sources != null) {
            sources.forEach(SlotWeights::close);
        }
    }

    @Override
    public Fill fill(int unit, int slot, @Nullable Fill after) {
        AtomicBoolean abandoned = new AtomicBoolean();
        CompletableFuture<?> end = (after == null ? PAST : after)
                .end()
                .handleAsync(
                        (done, failure) -> {
                            read(unit, slot, abandoned::get);
                            return slot;
                        },
                        readers);
        Fill fill = new Fill(end, abandoned);
        fills.removeIf(each -> each.end().isDone());
        fills.add(fill);
        return fill;
    }

    private TensorEntry entry(int unit, UnitLayout.Part part) {
        return index.get(units.get(unit) + "." + part.name());
    }

    private void read(int unit, int slot, BooleanSupplier stop) {
        BytePointer address = addresses.get(slot);
        boolean cached = cacheShare.keeps(unit);
        for (UnitLayout.Part part : layout.parts()) {
            files.read(
                    entry(unit, part),
                    part.type(),
                    (offset, length) -> new BytePointer(address)
                            .position(part.offset() + offset)
                            .capacity(part.offset() + offset + length)
                            .asByteBuffer(),
                    stop,
                    cached);
        }
    }

    /** Waits for the reader. What it threw is thrown here. */
    @Override
    public void computeAfter(Fill filled) {
        try {
            filled.end().join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException failure) {
                throw failure;
            }
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e;
        }
    }

    @Override
    public Fill computed() {
        return PAST;
    }

    @Override
    public void abandon(Fill filled) {
        filled.abandoned().set(true);
    }

    @Override
    public void close() {
        fills.forEach(fill -> fill.abandoned().set(true));
        fills.forEach(fill -> fill.end().handle((done, failure) -> fill).join());
        readers.shutdown();
        views.values().forEach(sources -> sources.forEach(SlotWeights::close));
        views.clear();
        addresses.clear();
        slots.forEach(Tensor::close);
        slots.clear();
        files.close();
    }
}
