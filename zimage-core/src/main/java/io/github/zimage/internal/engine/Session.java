package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.placement.Phase;
import java.util.Collection;
import java.util.List;
import java.util.function.Supplier;

/** What one request does with the model: phases, one after the other, and in them components. */
public final class Session {
    private final LoadedModel model;
    private final Phases phases;
    private final GenerationListener listener;
    private final Runnable cancellation;

    /**
     * Begins.
     *
     * @param listener hears what is loaded
     * @param cancellation called often; throws to cancel
     * @param relief asked when an allocation fails
     */
    public Session(LoadedModel model, GenerationListener listener, Runnable cancellation, Relief relief) {
        this(model, model.phases(relief), listener, cancellation);
    }

    private Session(LoadedModel model, Phases phases, GenerationListener listener, Runnable cancellation) {
        this.model = model;
        this.phases = phases;
        this.listener = listener;
        this.cancellation = cancellation;
    }

    /** Returns the same session with something else that hears of it. */
    public Session hearing(GenerationListener other) {
        return new Session(model, phases, other, cancellation);
    }

    /**
     * Encodes a prompt, in a session and a phase of its own.
     *
     * @param cancellation called often; throws to cancel
     * @param relief asked when an allocation fails
     */
    public static PromptEmbeddings encode(LoadedModel model, TokenIds prompt, Runnable cancellation, Relief relief) {
        Session session = new Session(model, new GenerationListener() {}, cancellation, relief);
        return session.run(Phase.TEXT, () -> session.encode(List.of(prompt))).get(0);
    }

    /** Returns the model. */
    public LoadedModel model() {
        return model;
    }

    /** Returns what hears of the request. */
    public GenerationListener listener() {
        return listener;
    }

    /** Returns what is called often and throws to cancel the request. */
    public Runnable cancellation() {
        return cancellation;
    }

    /**
     * Runs a phase on the device of its component.
     *
     * @param work runs a second time if an allocation fails, with less in memory; once for all phases
     */
    public <T> T run(Phase phase, Supplier<T> work) {
        return phases.run(phase, () -> {
            if (listener instanceof PhaseWatch watch) {
                watch.onPhase(phase);
            }
            return work.get();
        });
    }

    /** Returns a component's model, after loading it if it is not there, until the lease is closed; in a phase. */
    public <M> Lease<M> use(ComponentLoader<M> loader) {
        return model.use(loader, listener, cancellation);
    }

    /** Encodes prompts, in the phase for that. Returns one for each. */
    public List<PromptEmbeddings> encode(Collection<TokenIds> prompts) {
        return encode(prompts, List.of());
    }

    /** As the other one, with adapters. */
    public List<PromptEmbeddings> encode(Collection<TokenIds> prompts, List<AdapterUse> adapters) {
        List<AdapterUse> own = LoadedAdapters.of(adapters, Component.TEXT_ENCODER);
        return model.prompts()
                .encode(
                        prompts,
                        own,
                        encoder -> model.textAdditions(own, encoder),
                        () -> use(TextEncoderLoader.INSTANCE),
                        model.options().precision(Component.TEXT_ENCODER),
                        cancellation);
    }
}
