package io.github.zimage.internal.engine;

import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.weights.FileState;
import io.github.zimage.internal.weights.ReadAhead;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.jspecify.annotations.Nullable;

/**
 * A component's model, which is there when it is needed and takes no more memory in between than its residence says.
 *
 * @param <M> the model
 */
final class ModelHolder<M> implements AutoCloseable {
    private final WeightIndex index;
    private final TensorPlace place;
    private final FileState files;
    private final Residence residence;
    private final boolean packed;
    private final Function<WeightStore, M> maker;
    private final Consumer<M> rest;
    private final ReadAhead readAhead;
    private @Nullable WeightStore store;
    private @Nullable M model;
    private boolean inUse;

    /**
     * Loads nothing yet.
     *
     * @param packed whether large matrices may be copied into the layout that the processor multiplies fastest by
     * @param maker makes the model from weights
     * @param rest frees what the model only needs while it computes
     * @param readAhead reads what the model has mapped
     */
    ModelHolder(
            WeightIndex index,
            TensorPlace place,
            Residence residence,
            boolean packed,
            Function<WeightStore, M> maker,
            Consumer<M> rest,
            ReadAhead readAhead) {
        this.index = index;
        this.place = place;
        this.files = new FileState(index);
        this.residence = residence;
        this.packed = packed;
        this.maker = maker;
        this.rest = rest;
        this.readAhead = readAhead;
    }

    /** Loads the model now if it will not be parked. */
    void prepare(LongConsumer progress) {
        if (residence.kind() != Residence.Kind.PARKED) {
            AtomicLong heard = new AtomicLong();
            load(done -> {
                heard.set(done);
                progress.accept(done);
            });
            // Not all weights are loaded: some come later, or a part at a time.
            if (heard.get() < index.byteSize()) {
                progress.accept(index.byteSize());
            }
        }
    }

    /** Returns the model, after loading it if it is parked. It can be used until {@link #rest}. */
    M get(LongConsumer progress) {
        if (!inUse && residence.kind() != Residence.Kind.RESIDENT) {
            files.requireUnchanged();
        } else {
            requireUntouched();
        }
        inUse = true;
        M there = model;
        return there == null ? load(progress) : there;
    }

    /** Makes sure that nobody has written to mapped files: a page that is no longer there ends the process. */
    void requireUntouched() {
        if (store != null && store.isMapped()) {
            files.requireUntouched();
        }
    }

    /** Returns the model if it always stays, or {@code null}. */
    @Nullable
    M residentModel() {
        return residence.kind() == Residence.Kind.RESIDENT ? model : null;
    }

    /** Does something with the model if it is loaded. */
    void ifLoaded(Consumer<M> action) {
        if (model != null) {
            action.accept(model);
        }
    }

    private M load(LongConsumer progress) {
        WeightStore opened = new WeightStore(index, place, progress).packed(packed);
        store = opened;
        try (PointerScope scope = new PointerScope()) {
            M made = maker.apply(opened);
            model = made;
            // What was in memory on the way from the files to the weights would stay with the allocator.
            Pointer.trimMemory();
            readAhead.add(opened.mapped());
            return made;
        } catch (RuntimeException | Error e) {
            close();
            files.requireUnchanged(); // a file that was cut meanwhile says more than what failed of it
            throw e;
        }
    }

    /** Frees the memory that the model only needs while it computes. */
    void rest() {
        inUse = false;
        if (residence.kind() == Residence.Kind.PARKED) {
            close();
        } else if (model != null) {
            rest.accept(model);
        }
    }

    /** Frees all. */
    @Override
    public void close() {
        if (model != null) {
            rest.accept(model);
            model = null;
        }
        if (store != null) {
            store.close();
            store = null;
        }
    }
}
