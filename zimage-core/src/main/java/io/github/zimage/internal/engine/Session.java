package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.engine.LoadedModel.Lease;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
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
        this.model = model;
        this.listener = listener;
        this.cancellation = cancellation;
        phases = model.phases(relief);
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

    /**
     * Leases the transformer for a schedule, in the phase for that.
     *
     * @param evaluations all that will be asked for, in order
     * @param attachments what joins in between its blocks, in order
     */
    public Denoiser denoiser(List<Evaluation> evaluations, List<Attachment> attachments) {
        return denoiser(evaluations, attachments, AdapterSets.NONE);
    }

    /** As the other one, with adapters, which stay until others are asked for. */
    public Denoiser denoiser(List<Evaluation> evaluations, List<Attachment> attachments, AdapterSets adapters) {
        Lease<ZImageTransformer2DModel> lease = use(TransformerLoader.INSTANCE);
        EagerDenoiser eager = eager(lease, evaluations, adapters);
        try {
            for (Attachment each : attachments) {
                eager.attach(each.open(this, lease.model(), evaluations));
            }
        } catch (RuntimeException | Error e) {
            eager.close();
            throw e;
        }
        TransformerRecordings recordings = model.recordings();
        return recordings == null ? eager : new RecordedDenoiser(eager, recordings, cancellation);
    }

    private EagerDenoiser eager(
            Lease<ZImageTransformer2DModel> lease, List<Evaluation> evaluations, AdapterSets adapters) {
        try {
            List<AdapterUse> positive = LoadedAdapters.of(adapters.positive(), Component.TRANSFORMER);
            List<AdapterUse> negative = LoadedAdapters.of(adapters.negative(), Component.TRANSFORMER);
            model.keepAdapters(List.of(positive, negative), lease.model());
            return new EagerDenoiser(
                    lease,
                    model.place(),
                    evaluations,
                    model.transformerAdditions(positive, lease.model()),
                    model.transformerAdditions(negative, lease.model()),
                    cancellation);
        } catch (RuntimeException | Error e) {
            lease.close();
            throw e;
        }
    }
}
