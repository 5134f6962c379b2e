package io.github.zimage.internal.engine;

import io.github.zimage.Component;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import java.util.List;

/** Makes denoisers of the transformer of a session's model: with what a request attaches, eager or replayed. */
public final class Denoisers {
    private Denoisers() {}

    /**
     * Leases the transformer for a schedule, in the phase for that.
     *
     * @param evaluations all that will be asked for, in order
     * @param cache which of them are left out
     * @param attachments what joins in between its blocks, in order
     * @param adapters what is added to its weights; they stay until others are asked for
     */
    public static Denoiser lease(
            Session session,
            List<Evaluation> evaluations,
            StepCache cache,
            List<Attachment> attachments,
            AdapterSets adapters) {
        List<Evaluation> computed = evaluations.stream()
                .filter(each -> cache.computes(each.step().index(), each.step().count()))
                .toList();
        Denoiser computing = computing(session, computed, attachments, adapters);
        return computed.size() == evaluations.size() ? computing : new MaskedDenoiser(computing, computed);
    }

    private static Denoiser computing(
            Session session, List<Evaluation> evaluations, List<Attachment> attachments, AdapterSets adapters) {
        Lease<ZImageTransformer2DModel> lease = session.use(TransformerLoader.INSTANCE);
        EagerDenoiser eager = eager(session, lease, evaluations, adapters);
        try {
            for (Attachment each : attachments) {
                eager.attach(each.open(session, lease.model(), evaluations));
            }
        } catch (RuntimeException | Error e) {
            eager.close();
            throw e;
        }
        TransformerRecordings recordings = session.model().recordings();
        return recordings == null ? eager : new RecordedDenoiser(eager, recordings, session.cancellation());
    }

    private static EagerDenoiser eager(
            Session session,
            Lease<ZImageTransformer2DModel> lease,
            List<Evaluation> evaluations,
            AdapterSets adapters) {
        try {
            LoadedModel model = session.model();
            List<AdapterUse> positive = LoadedAdapters.of(adapters.positive(), Component.TRANSFORMER);
            List<AdapterUse> negative = LoadedAdapters.of(adapters.negative(), Component.TRANSFORMER);
            model.keepAdapters(List.of(positive, negative), lease.model());
            return new EagerDenoiser(
                    lease,
                    model.place(),
                    evaluations,
                    model.transformerAdditions(positive, lease.model()),
                    model.transformerAdditions(negative, lease.model()),
                    session.cancellation());
        } catch (RuntimeException | Error e) {
            lease.close();
            throw e;
        }
    }
}
