package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Recorder;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.text.TextAdditions;
import io.github.zimage.internal.transformer.TransformerAdditions;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A checkpoint's model, loaded, on its devices. Belongs to the thread that makes it. */
public final class LoadedModel implements Phases.Runner, AutoCloseable {
    private final Checkpoint checkpoint;
    private final OpenDevices devices;
    private final Components components;
    private final PromptEncoder promptEncoder = new PromptEncoder();
    private final LoadedAdapters adapters;
    private final Map<Phase, Long> peaks = new HashMap<>();
    private EngineOptions options;
    private @Nullable TransformerRecordings recordings;

    /**
     * Loads a checkpoint.
     *
     * @param listener hears of the loading
     * @param relief asked when an allocation fails
     */
    public LoadedModel(Checkpoint checkpoint, EngineOptions options, GenerationListener listener, Relief relief) {
        this.checkpoint = checkpoint;
        this.options = options;
        adapters = new LoadedAdapters(checkpoint);
        devices = new OpenDevices(options);
        components = new Components(checkpoint, this::options, devices);
        try {
            Phases loading = phases(relief);
            prepare(loading, Phase.TEXT, TextEncoderLoader.INSTANCE, listener);
            prepare(loading, Phase.DENOISE, TransformerLoader.INSTANCE, listener);
            prepare(loading, Phase.DECODE, VaeLoader.DECODER, listener);
            if (isPlannedToStay(Component.VAE_ENCODER)) {
                prepare(loading, Phase.ENCODE, VaeLoader.ENCODER, listener);
            }
            if (checkpoint.controlNet() != null) {
                prepare(loading, Phase.DENOISE, ControlNetLoader.INSTANCE, listener);
            }
            recordings = loading.attempt(Phase.DENOISE, this::openRecordings);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private boolean isPlannedToStay(Component component) {
        Residence planned = options.residences().get(component);
        return planned != null && planned.kind() == Residence.Kind.RESIDENT;
    }

    private void prepare(Phases loading, Phase phase, ComponentLoader<?> loader, GenerationListener listener) {
        loading.attempt(phase, () -> {
            components.prepare(loader, progress(loader, listener, () -> {}));
            return loader;
        });
    }

    /** Returns what replays the transformer's work, or null if nothing does. */
    private @Nullable TransformerRecordings openRecordings() {
        ZImageTransformer2DModel transformer = resident(TransformerLoader.INSTANCE);
        ComputeDevice device = device(Component.TRANSFORMER);
        if (!options.compiled() || transformer == null) {
            return null;
        }
        try (ComputeDevice.Guard guard = device.enter()) {
            Recorder recorder = device.recorder();
            return recorder == null ? null : new TransformerRecordings(transformer, device.place(), recorder);
        }
    }

    /** Returns configurations and weights. */
    public Checkpoint checkpoint() {
        return checkpoint;
    }

    @Override
    public EngineOptions options() {
        return options;
    }

    /** Returns whether the transformer's work is recorded and replayed. */
    public boolean isCompiled() {
        return recordings != null;
    }

    /** Returns the name of the attention backend that was chosen. */
    public String attentionName() {
        return devices.attention(Component.TRANSFORMER).name();
    }

    /** Returns what a component computes on. */
    public ComputeDevice device(Component component) {
        return devices.of(component);
    }

    /** Returns where the transformer's tensors lie, latents among them. */
    public TensorPlace place() {
        return device(Component.TRANSFORMER).place();
    }

    /**
     * Returns a component's model, after loading it if it is not there, until the lease is closed. Must be called where the component's
     * device is entered, as it is in a phase of it.
     *
     * @param listener hears of the loading
     * @param cancellation called while weights are read; throws to cancel
     */
    <M> Lease<M> use(ComponentLoader<M> loader, GenerationListener listener, Runnable cancellation) {
        try {
            return new Lease<>(
                    components.get(loader, progress(loader, listener, cancellation)),
                    () -> components.requireUntouched(loader),
                    () -> components.rest(loader));
        } catch (RuntimeException | Error e) {
            components.rest(loader);
            throw e;
        }
    }

    /** Returns a component's model if it always stays in memory and has been loaded, or {@code null}. */
    public <M> @Nullable M resident(ComponentLoader<M> loader) {
        return components.resident(loader);
    }

    private LongConsumer progress(ComponentLoader<?> loader, GenerationListener listener, Runnable cancellation) {
        long total = loader.weights(checkpoint).byteSize();
        return done -> {
            cancellation.run();
            listener.onLoad(loader.component(), done, total);
        };
    }

    /** Returns the phases of a request, none of which has run. */
    Phases phases(Relief relief) {
        peaks.clear();
        return new Phases(this, relief);
    }

    @Override
    public <T> T on(Phase phase, Supplier<T> work) {
        ComputeDevice planned = devices.main();
        planned.resetPeak();
        try (ComputeDevice.Guard guard = device(phase.component()).enter()) {
            return work.get();
        } finally {
            peaks.put(phase, planned.peakBytes());
        }
    }

    /** Returns the most bytes that the pipeline's device held in each phase of the latest request; zeros of the CPU. */
    public Map<Phase, Long> devicePeaks() {
        return Map.copyOf(peaks);
    }

    PromptEncoder prompts() {
        return promptEncoder;
    }

    @Nullable
    TransformerRecordings recordings() {
        return recordings;
    }

    /** Returns what adapters add to the text encoder, which is leased. Others go. */
    TextAdditions textAdditions(List<AdapterUse> uses, Qwen3Model encoder) {
        adapters.keepText(List.of(uses));
        return adapters.text(uses, encoder, device(Component.TEXT_ENCODER).place());
    }

    /** Returns what adapters add to the transformer, which is leased. */
    TransformerAdditions transformerAdditions(List<AdapterUse> uses, ZImageTransformer2DModel transformer) {
        return adapters.transformer(uses, transformer, place());
    }

    /** Lets go of what adapters add to the transformer, but for some. */
    void keepAdapters(List<List<AdapterUse>> wanted, ZImageTransformer2DModel transformer) {
        adapters.keepTransformer(wanted, gone -> {
            transformer.forget(gone);
            if (recordings != null) {
                recordings.forget(gone);
            }
        });
    }

    /** Frees what is kept to be used again. */
    public void forget() {
        promptEncoder.forget();
        forgetAdapters();
        components.forget();
        devices.emptyCaches();
    }

    /** Frees what is kept to be used again, and places weights anew; they are loaded when they are needed. */
    @Override
    public void shrink(EngineOptions smaller) {
        promptEncoder.forget();
        forgetAdapters();
        components.forget();
        EngineOptions before = options;
        options = smaller;
        devices.main().tryConvolutions(smaller.hardware().triesConvolutions());
        if (!smaller.compiled()) {
            closeRecordings();
        }
        components.change(before, smaller);
        devices.emptyCaches();
    }

    /** What was recorded with adapters reads their tensors. */
    private void forgetAdapters() {
        if (recordings != null) {
            try (ComputeDevice.Guard guard = device(Component.TRANSFORMER).enter()) {
                recordings.clear();
            }
        }
        adapters.close();
    }

    private void closeRecordings() {
        if (recordings != null) {
            try (ComputeDevice.Guard guard = device(Component.TRANSFORMER).enter()) {
                recordings.close();
            }
            recordings = null;
        }
    }

    /** Frees the weights. */
    @Override
    public void close() {
        closeRecordings();
        adapters.close();
        components.close();
        devices.close();
    }
}
