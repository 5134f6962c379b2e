package io.github.zimage.internal.generation;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Sampling;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.Denoiser;
import io.github.zimage.internal.engine.Denoisers;
import io.github.zimage.internal.engine.LoadedModel;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.engine.VaeLoader;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.vae.TinyDecoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.UpscalerFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * One order on its way to pictures, on the device thread. The steps are those of diffusers' {@code ZImagePipeline.__call__}. Each component is
 * let go, if it has to be, before the next is loaded.
 */
public final class Generation {
    private final long start = System.nanoTime();
    private final Order order;
    private final GenerationRequest request;
    private final Session session;
    private final Checkpoint checkpoint;
    private final GenerationListener listener;
    private final int latentHeight;
    private final int latentWidth;
    private Duration encode = Duration.ZERO;
    private Duration denoise = Duration.ZERO;
    private List<Duration> steps = List.of();
    /** How often the transformer was evaluated for each picture. */
    private List<Integer> forwards = List.of();

    private Generation(Order order, Session session) {
        this.order = order;
        this.session = session;
        request = order.request();
        checkpoint = session.model().checkpoint();
        listener = order.start().heard(session.listener());
        latentHeight = request.height() / checkpoint.vae().scale();
        latentWidth = request.width() / checkpoint.vae().scale();
    }

    /**
     * Generates all pictures of an order.
     *
     * @param cancellation called often; throws to cancel
     * @param relief asked when an allocation fails
     */
    public static List<DrawnImage> run(
            LoadedModel model, Order order, GenerationListener listener, Runnable cancellation, Relief relief) {
        try (PointerScope scope = new PointerScope()) {
            return new Generation(order, new Session(model, listener, cancellation, relief)).run();
        }
    }

    /** Generates all pictures of an order in a session that has begun: those from which others start. */
    static List<DrawnImage> run(Session session, Order order) {
        try (PointerScope scope = new PointerScope()) {
            return new Generation(order, session).run();
        }
    }

    private List<DrawnImage> run() {
        // 1. Prompts to embeddings, and what starts and attachments need
        Embeddings text = session.run(Phase.TEXT, () -> Embeddings.of(order, session));
        InitialLatents begin = order.start().prepare(session);
        List<Attachment> attachments =
                order.attachments().stream().map(each -> each.prepare(session)).toList();

        // 2. to 6. Schedule, latents, conditions, steps
        List<Tensor> latents =
                session.run(Phase.DENOISE, () -> Tensors.allScoped(() -> denoised(text, begin, attachments)));

        // 7. Latents to pictures
        List<GeneratedImage.Timings> timings = forwards.stream()
                .map(each -> new GeneratedImage.Timings(encode, denoise, Duration.ZERO, steps, each))
                .toList();
        List<DrawnImage> images = session.run(Phase.DECODE, () -> new Decoding(session).images(latents, timings));
        List<DrawnImage> finished = images.stream().map(begin::finish).toList();

        // 8. Pictures to larger ones
        UpscalerFile upscaler = order.upscaler();
        return upscaler == null ? finished : Upscaling.run(session, upscaler, finished);
    }

    private List<Tensor> denoised(Embeddings text, InitialLatents begin, List<Attachment> attachments) {
        // 2. Noise levels, and where the transformer is evaluated
        NoiseSchedule schedule = begin.schedule(wholeSchedule(begin));
        List<Evaluation> evaluations = order.sampler().evaluations(schedule);

        // 3. Noise, given latents, or a picture with noise
        List<Picture> pictures = pictures(begin, schedule);
        StepCache cache = Objects.requireNonNullElse(request.sampling().stepCache(), StepCache.OFF);
        try (Denoiser denoiser = Denoisers.lease(session, evaluations, cache, attachments, order.adapters())) {
            // 4. Captions and rotary embeddings
            Conditions conditions = Conditions.of(denoiser, text, request.nag(), pictures);
            encode = since(start);
            listener.onEncode(encode);

            long begun = System.nanoTime();
            denoiser.prepare();
            try (Guidance guidance = Guidance.of(request)) {
                denoise(denoiser, conditions, guidance, schedule, evaluations, watch(pictures, evaluations));
            }
            denoise = since(begun);
            forwards = conditions.positive().stream()
                    .map(each -> evaluations.size() - denoiser.leftOut(each))
                    .toList();
        }
        return pictures.stream().map(Picture::latents).toList();
    }

    private FiniteWatch watch(List<Picture> pictures, List<Evaluation> evaluations) {
        FiniteWatch watch = new FiniteWatch(
                request,
                session.model().options().precision(Component.TRANSFORMER),
                session.model().place(),
                evaluations.size());
        pictures.forEach(watch::onStart);
        return watch;
    }

    private void denoise(
            Denoiser denoiser,
            Conditions conditions,
            Guidance guidance,
            NoiseSchedule schedule,
            List<Evaluation> evaluations,
            FiniteWatch watch) {
        StepClock clock = new StepClock(
                session.model().device(Component.TRANSFORMER),
                request,
                schedule.steps().size(),
                listener);
        List<Conditions.Group> groups =
                conditions.groups(session.model().options().limits().picturesAtOnce());
        try (StepPreviews previews = previews()) {
            for (Evaluation at : evaluations) { // 5. Steps
                if (at.beginsStep()) {
                    previews.ask(at.step());
                }
                for (Conditions.Group group : groups) {
                    try (PointerScope scope = new PointerScope()) {
                        List<Tensor> velocities = guidance.velocities(denoiser, group, at, watch);
                        for (int i = 0; i < velocities.size(); i++) {
                            Picture picture = group.pictures().get(i);
                            previews.show(at, picture.index(), picture.latents(), velocities.get(i));
                            picture.advance(at, velocities.get(i));
                            watch.onAdvance(at, picture);
                        }
                    }
                }
                if (at.endsStep()) {
                    clock.onOrdered(); // 6. On a GPU, told one step later
                }
                if (session.model().place().isCpu()) {
                    watch.require(); // elsewhere that would wait
                }
            }
        }
        clock.finish();
        watch.require();
        steps = clock.durations();
    }

    private StepPreviews previews() {
        Path tiny = listener.previewDecoder();
        return new StepPreviews(
                listener,
                tiny == null
                        ? null
                        : TinyDecoder.load(
                                tiny,
                                checkpoint.vae().latentChannels(),
                                session.model().place()),
                session.model().resident(VaeLoader.DECODER),
                LatentColours.of(checkpoint.vae()),
                checkpoint.vae().scale(),
                session.cancellation());
    }

    private NoiseSchedule wholeSchedule(InitialLatents begin) {
        int patch = TransformerConfig.PATCH_SIZE;
        int imageTokens = latentHeight / patch * (latentWidth / patch);
        Sampling sampling = request.sampling();
        Double shift = sampling.shift();
        SchedulerConfig config =
                shift == null ? checkpoint.scheduler() : checkpoint.scheduler().withShift(shift);
        return switch (sampling.schedule()) {
            case SIMPLE -> NoiseSchedule.flowMatch(config, begin.levels(levels()), imageTokens);
            case DYNAMIC -> NoiseSchedule.flowMatch(config.withDynamicShift(), begin.levels(levels()), imageTokens);
            default -> NoiseSchedule.of(sampling.schedule(), config, begin.wholeSteps(request.steps()), imageTokens);
        };
    }

    private float[] levels() {
        if (request.sigmas().isEmpty()) {
            return NoiseSchedule.evenLevels(request.steps());
        }
        float[] levels = new float[request.steps()];
        for (int i = 0; i < levels.length; i++) {
            levels[i] = request.sigmas().get(i);
        }
        return levels;
    }

    private List<Picture> pictures(InitialLatents begin, NoiseSchedule schedule) {
        List<Picture> pictures = new ArrayList<>();
        for (int i = 0; i < order.seeds().size(); i++) {
            PictureNoise noise = new PictureNoise(
                    order.seeds().get(i),
                    request.noiseReduction(),
                    session.model().place(),
                    checkpoint.transformer().inChannels(),
                    latentHeight,
                    latentWidth);
            InitialLatents.Start first =
                    begin.begin(i, schedule, noise, session.model().place());
            Tensor latents = first.latents();
            pictures.add(new Picture(i, latents, first, order.sampler().begin(latents, schedule, noise)));
        }
        return pictures;
    }

    private static Duration since(long nanoTime) {
        return Duration.ofNanos(System.nanoTime() - nanoTime);
    }
}
