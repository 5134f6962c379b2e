package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.events.LoadEvent;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.ReadAhead;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The models of the components, whichever they are, each there when it is needed. */
final class Components implements AutoCloseable {
    private final Checkpoint checkpoint;
    private final Supplier<EngineOptions> options;
    private final OpenDevices devices;
    private final ReadAhead readAhead = new ReadAhead();
    private final Map<ComponentLoader<?>, Held<?>> held = new LinkedHashMap<>();

    /** A loader, and what holds its model. */
    private record Held<M>(ComponentLoader<M> loader, ModelHolder<M> holder) {
        void forget() {
            holder.ifLoaded(loader::forget);
        }
    }

    /**
     * Holds nothing yet.
     *
     * @param options how is computed now
     */
    Components(Checkpoint checkpoint, Supplier<EngineOptions> options, OpenDevices devices) {
        this.checkpoint = checkpoint;
        this.options = options;
        this.devices = devices;
    }

    /** Loads a component now, unless it is parked. */
    <M> void prepare(ComponentLoader<M> loader, LongConsumer progress) {
        try (ComputeDevice.Guard guard = devices.of(loader.component()).enter()) {
            holder(loader).prepare(progress);
        }
    }

    /** Returns a component's model, after loading it if need be. It can be used until {@link #rest}. */
    <M> M get(ComponentLoader<M> loader, LongConsumer progress) {
        return holder(loader).get(progress);
    }

    /** Returns a component's model if it always stays, or {@code null}. */
    <M> @Nullable M resident(ComponentLoader<M> loader) {
        return holder(loader).residentModel();
    }

    /** Makes sure that nobody has written to a component's mapped files. */
    void requireUntouched(ComponentLoader<?> loader) {
        holder(loader).requireUntouched();
    }

    /** Frees the memory that a component only needs while it computes. */
    void rest(ComponentLoader<?> loader) {
        holder(loader).rest();
    }

    @SuppressWarnings("unchecked") // a loader's entry holds what that loader makes
    private <M> ModelHolder<M> holder(ComponentLoader<M> loader) {
        Held<?> known = held.get(loader);
        if (known == null) {
            known = hold(loader);
            held.put(loader, known);
        }
        return (ModelHolder<M>) known.holder();
    }

    private <M> Held<M> hold(ComponentLoader<M> loader) {
        Component component = loader.component();
        release(component);
        LoadContext context = new LoadContext(component, checkpoint, options, devices);
        return new Held<>(
                loader,
                new ModelHolder<>(
                        loader.weights(checkpoint),
                        devices.of(component).place(),
                        options.get().residence(component),
                        loader.isPacked(options.get()),
                        store -> {
                            LoadEvent event = new LoadEvent();
                            event.begin();
                            M model = loader.load(store, context);
                            record(event, loader);
                            return model;
                        },
                        loader::rest,
                        readAhead));
    }

    /** Lets go of a component's model, to which another one comes in place. */
    private void release(Component component) {
        held.values().removeIf(each -> {
            boolean other = each.loader().component().equals(component);
            if (other) {
                each.holder().close();
            }
            return other;
        });
    }

    private void record(LoadEvent event, ComponentLoader<?> loader) {
        if (event.shouldCommit()) {
            Component component = loader.component();
            event.component = component.id();
            event.device = options.get().hardware().device(component).toString();
            event.residence = options.get().residence(component).kind().name().toLowerCase(Locale.ROOT);
            event.bytes = loader.weights(checkpoint).byteSize();
            event.commit();
        }
    }

    /** Frees what models keep to use it again. */
    void forget() {
        held.values().forEach(Held::forget);
    }

    /** Lets go of what is held otherwise from now on. It is loaded when it is needed. */
    void change(EngineOptions before, EngineOptions after) {
        held.values().removeIf(each -> {
            Component component = each.loader().component();
            boolean changes = !after.residence(component).equals(before.residence(component))
                    || each.loader().changesWith(before, after);
            if (changes) {
                each.holder().close();
            }
            return changes;
        });
    }

    @Override
    public void close() {
        readAhead.close();
        held.values().forEach(each -> each.holder().close());
        held.clear();
    }
}
