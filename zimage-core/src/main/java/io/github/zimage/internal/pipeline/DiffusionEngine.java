package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.GenerationTimings;
import io.github.zimage.Latents;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.Precision;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.VaeTiling;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Recorder;
import io.github.zimage.internal.events.LoadEvent;
import io.github.zimage.internal.generation.InitialLatents;
import io.github.zimage.internal.generation.PictureNoise;
import io.github.zimage.internal.generation.StepClock;
import io.github.zimage.internal.generation.StepPreviews;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.EulerSampler;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.RotaryEmbedding;
import io.github.zimage.internal.transformer.StepModulation;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.vae.PictureDecoder;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.ReadAhead;
import io.github.zimage.internal.weights.WeightStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The model, loaded, and the way from a request to pictures. Runs on the device thread. The steps are those of diffusers'
 * {@code ZImagePipeline.__call__}.
 */
public final class DiffusionEngine implements AutoCloseable {

    /** A picture is decoded whole if that takes at most this share of the memory that is available then. */
    private static final double SHARE_TO_DECODE = 0.5;

    private final Checkpoint checkpoint;
    private final OpenDevices devices;
    private final Map<Phase, Long> peaks = new HashMap<>();
    private final PromptTokens promptTokens;
    private final PromptEncoder promptEncoder;
    private final ReadAhead readAhead = new ReadAhead();
    private EngineOptions options;
    private ModelHolder<Qwen3Model> textEncoder;
    private ModelHolder<ZImageTransformer2DModel> transformer;
    private ModelHolder<PictureDecoder> vae;
    private @Nullable CompiledTransformer compiled;

    /** As the other one, letting an allocation's failure stand. */
    public DiffusionEngine(
            Checkpoint checkpoint, PromptTokens promptTokens, EngineOptions options, GenerationListener listener) {
        this(checkpoint, promptTokens, options, listener, Relief.NONE);
    }

    /**
     * Loads a checkpoint.
     *
     * @param relief asked when an allocation fails
     */
    public DiffusionEngine(
            Checkpoint checkpoint,
            PromptTokens promptTokens,
            EngineOptions options,
            GenerationListener listener,
            Relief relief) {
        this.checkpoint = checkpoint;
        this.promptTokens = promptTokens;
        this.options = options;
        promptEncoder = new PromptEncoder(promptTokens);
        devices = new OpenDevices(options);
        try {
            textEncoder = textEncoder();
            transformer = transformer();
            vae = vae();
        } catch (RuntimeException | Error e) {
            readAhead.close();
            devices.close();
            throw e;
        }
        try {
            AtomicBoolean mayRetry = new AtomicBoolean(true);
            relieved(Phase.TEXT, relief, mayRetry, () -> prepare(textEncoder, Component.TEXT_ENCODER, listener));
            relieved(Phase.DENOISE, relief, mayRetry, () -> prepare(transformer, Component.TRANSFORMER, listener));
            relieved(Phase.DECODE, relief, mayRetry, () -> prepare(vae, Component.VAE, listener));
            compiled = relieved(Phase.DENOISE, relief, mayRetry, this::compiled);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private <M> ModelHolder<M> prepare(ModelHolder<M> holder, Component component, GenerationListener listener) {
        try (ComputeDevice.Guard guard = devices.of(component).enter()) {
            holder.prepare(progress(component, listener, () -> {}));
            return holder;
        }
    }

    private ModelHolder<Qwen3Model> textEncoder() {
        Residence residence = options.residence(Component.TEXT_ENCODER);
        Kernels kernels = devices.kernels(Component.TEXT_ENCODER, options.precision(Component.TEXT_ENCODER));
        return new ModelHolder<>(
                checkpoint.weights(Component.TEXT_ENCODER),
                kernels.place(),
                residence,
                false,
                recorded(
                        Component.TEXT_ENCODER,
                        store -> new Qwen3Model(
                                checkpoint.textEncoder(),
                                store,
                                kernels,
                                residence,
                                devices.blockSource(Component.TEXT_ENCODER))),
                Qwen3Model::rest,
                readAhead);
    }

    private ModelHolder<ZImageTransformer2DModel> transformer() {
        Residence residence = options.residence(Component.TRANSFORMER);
        Kernels kernels = devices.kernels(Component.TRANSFORMER, options.precision(Component.TRANSFORMER));
        return new ModelHolder<>(
                checkpoint.weights(Component.TRANSFORMER),
                kernels.place(),
                residence,
                options.packed() && residence.kind() == Residence.Kind.RESIDENT,
                recorded(
                        Component.TRANSFORMER,
                        store -> new ZImageTransformer2DModel(
                                checkpoint.transformer(),
                                store,
                                kernels,
                                residence,
                                devices.blockSource(Component.TRANSFORMER))),
                ZImageTransformer2DModel::rest,
                readAhead);
    }

    private ModelHolder<PictureDecoder> vae() {
        Precision precision = options.precision(Component.VAE);
        VaeTiling tiling = options.vaeTiling();
        ComputeDevice device = devices.of(Component.VAE);
        return new ModelHolder<>(
                checkpoint.weights(Component.VAE),
                device.place(),
                options.residence(Component.VAE),
                false,
                recorded(
                        Component.VAE,
                        store -> new PictureDecoder(
                                checkpoint.vae(),
                                store,
                                () -> new WeightStore(checkpoint.weights(Component.VAE), device.place(), done -> {}),
                                type -> devices.kernels(Component.VAE, type),
                                precision,
                                tiling,
                                () -> Math.min(options.limits().roomToDecode(), (long)
                                        (SHARE_TO_DECODE * device.freeBytes())))),
                model -> {},
                readAhead);
    }

    /** Returns what makes a component's model, and tells the flight recorder of it. */
    private <M> Function<WeightStore, M> recorded(Component component, Function<WeightStore, M> maker) {
        return store -> {
            LoadEvent event = new LoadEvent();
            event.begin();
            M model = maker.apply(store);
            if (event.shouldCommit()) {
                event.component = component.folder();
                event.device = options.hardware().device(component).toString();
                event.residence = options.residence(component).kind().name().toLowerCase(Locale.ROOT);
                event.bytes = checkpoint.weights(component).byteSize();
                event.commit();
            }
            return model;
        };
    }

    /** Returns what replays the transformer's work, or null if nothing does. */
    private @Nullable CompiledTransformer compiled() {
        ZImageTransformer2DModel model = transformer.residentModel();
        ComputeDevice device = devices.of(Component.TRANSFORMER);
        if (!options.compiled() || model == null) {
            return null;
        }
        try (ComputeDevice.Guard guard = device.enter()) {
            Recorder recorder = device.recorder();
            return recorder == null ? null : new CompiledTransformer(model, device.place(), recorder);
        }
    }

    /** Returns whether the transformer's work is recorded and replayed. */
    public boolean isCompiled() {
        return compiled != null;
    }

    /** Returns how it computes. */
    public EngineOptions options() {
        return options;
    }

    /** Frees what is kept to be used again. */
    public void forget() {
        promptEncoder.forget();
        transformer.ifLoaded(ZImageTransformer2DModel::forget);
        if (compiled != null) {
            try (ComputeDevice.Guard guard = devices.of(Component.TRANSFORMER).enter()) {
                compiled.clear();
            }
        }
        devices.emptyCaches();
    }

    private void closeCompiled() {
        if (compiled != null) {
            try (ComputeDevice.Guard guard = devices.of(Component.TRANSFORMER).enter()) {
                compiled.close();
            }
            compiled = null;
        }
    }

    /** Frees what is kept to be used again, and places weights anew; they are loaded when they are needed. */
    public void shrink(EngineOptions smaller) {
        promptEncoder.forget();
        transformer.ifLoaded(ZImageTransformer2DModel::forget);
        EngineOptions before = options;
        options = smaller;
        devices.main().tryConvolutions(smaller.hardware().triesConvolutions());
        if (!smaller.compiled()) {
            closeCompiled();
        }
        if (!smaller.residence(Component.TEXT_ENCODER).equals(before.residence(Component.TEXT_ENCODER))) {
            textEncoder.close();
            textEncoder = textEncoder();
        }
        if (!smaller.residence(Component.TRANSFORMER).equals(before.residence(Component.TRANSFORMER))) {
            transformer.close();
            transformer = transformer();
        }
        if (!smaller.residence(Component.VAE).equals(before.residence(Component.VAE))
                || !smaller.vaeTiling().equals(before.vaeTiling())) {
            vae.close();
            vae = vae();
        }
        devices.emptyCaches();
    }

    /** Runs a phase on the device of its component. */
    private <T> T on(Phase phase, Supplier<T> work) {
        ComputeDevice planned = devices.main();
        planned.resetPeak();
        try (ComputeDevice.Guard guard = devices.of(phase.component()).enter()) {
            return work.get();
        } finally {
            peaks.put(phase, planned.peakBytes());
        }
    }

    /** Returns the most bytes that the pipeline's device held in each phase of the latest request; zeros of the CPU. */
    public Map<Phase, Long> devicePeaks() {
        return Map.copyOf(peaks);
    }

    /**
     * Runs a phase, or loads for it, and, if an allocation fails, does it once more with less memory.
     *
     * @param mayRetry whether nothing has been tried again yet
     */
    private <T extends @Nullable Object> T relieved(
            Phase phase, Relief relief, AtomicBoolean mayRetry, Supplier<T> work) {
        try {
            return work.get();
        } catch (RuntimeException e) {
            if (!(NativeErrors.translate(e) instanceof OutOfDeviceMemoryException failure)) {
                throw e;
            }
            if (!mayRetry.getAndSet(false)) {
                throw relief.explained(phase, failure);
            }
            shrink(relief.smaller(options, phase, failure));
        }
        return relieved(phase, relief, mayRetry, work);
    }

    private LongConsumer progress(Component component, GenerationListener listener, Runnable cancellation) {
        long total = checkpoint.weights(component).byteSize();
        return done -> {
            cancellation.run();
            listener.onLoad(component, done, total);
        };
    }

    /** Returns the name of the attention backend that was chosen. */
    public String attentionName() {
        return devices.attention(Component.TRANSFORMER).name();
    }

    /** As {@link #encode(String, Runnable, Relief)}, letting an allocation's failure stand. */
    public PromptEmbeddings encode(String prompt, Runnable cancellation) {
        return encode(prompt, cancellation, Relief.NONE);
    }

    /**
     * Encodes a prompt.
     *
     * @param cancellation called often; throws to cancel
     * @param relief asked when an allocation fails
     */
    public PromptEmbeddings encode(String prompt, Runnable cancellation, Relief relief) {
        Map<String, PromptEmbeddings> encoded = relieved(
                Phase.TEXT,
                relief,
                new AtomicBoolean(true),
                () -> on(Phase.TEXT, () -> encode(List.of(prompt), new GenerationListener() {}, cancellation)));
        return Objects.requireNonNull(encoded.get(prompt));
    }

    private Map<String, PromptEmbeddings> encode(
            List<String> prompts, GenerationListener listener, Runnable cancellation) {
        try {
            return promptEncoder.encode(
                    prompts,
                    () -> textEncoder.get(progress(Component.TEXT_ENCODER, listener, cancellation)),
                    cancellation);
        } finally {
            textEncoder.rest();
        }
    }

    /** As {@link #generate(GenerationRequest, long, GenerationListener, Runnable, Relief)}, letting an allocation's failure stand. */
    public List<DrawnImage> generate(
            GenerationRequest request, long firstSeed, GenerationListener listener, Runnable cancellation) {
        return generate(request, firstSeed, listener, cancellation, Relief.NONE);
    }

    /**
     * Draws all pictures of a request.
     *
     * @param firstSeed the seed of the first picture
     * @param cancellation called often; throws to cancel
     * @param relief asked when an allocation fails
     */
    public List<DrawnImage> generate(
            GenerationRequest request,
            long firstSeed,
            GenerationListener listener,
            Runnable cancellation,
            Relief relief) {
        try (PointerScope scope = new PointerScope()) {
            return new Generation(request, firstSeed, listener, cancellation, relief).run();
        }
    }

    private static Duration since(long nanoTime) {
        return Duration.ofNanos(System.nanoTime() - nanoTime);
    }

    /** Frees the weights. */
    @Override
    public void close() {
        readAhead.close();
        closeCompiled();
        textEncoder.close();
        transformer.close();
        vae.close();
        devices.close();
        promptTokens.close();
    }

    /** One request on its way, component by component: each is let go, if it has to be, before the next is loaded. */
    private final class Generation {
        private final long start = System.nanoTime();
        private final GenerationRequest request;
        private final long firstSeed;
        private final GenerationListener listener;
        private final Runnable cancellation;
        private final Relief relief;
        private final AtomicBoolean mayRetry = new AtomicBoolean(true);
        private final Guidance guidance;
        private final int latentHeight;
        private final int latentWidth;
        private final Sampler sampler = new EulerSampler();
        private List<Duration> steps = List.of();
        private Duration encode = Duration.ZERO;
        private Duration denoise = Duration.ZERO;

        Generation(
                GenerationRequest request,
                long firstSeed,
                GenerationListener listener,
                Runnable cancellation,
                Relief relief) {
            this.relief = relief;
            this.request = request;
            this.firstSeed = firstSeed;
            this.listener = listener;
            this.cancellation = cancellation;
            guidance = Guidance.of(request);
            latentHeight = request.height() / checkpoint.vae().scale();
            latentWidth = request.width() / checkpoint.vae().scale();
        }

        List<DrawnImage> run() {
            // 1. Prompts to embeddings
            Embeddings embeddings = relieved(Phase.TEXT, relief, mayRetry, () -> on(Phase.TEXT, this::embeddings));

            // 2. Noise, embeddings and schedule to latents
            List<Tensor> latents =
                    relieved(Phase.DENOISE, relief, mayRetry, () -> on(Phase.DENOISE, () -> latents(embeddings)));

            // 3. Latents to pictures
            return relieved(Phase.DECODE, relief, mayRetry, () -> on(Phase.DECODE, () -> images(latents)));
        }

        private List<Tensor> latents(Embeddings embeddings) {
            return Tensors.allScoped(() -> {
                int patch = TransformerConfig.PATCH_SIZE;
                int imageTokens = latentHeight / patch * (latentWidth / patch);
                InitialLatents start = InitialLatents.of(request);
                NoiseSchedule schedule =
                        start.schedule(NoiseSchedule.flowMatch(checkpoint.scheduler(), levels(), imageTokens));
                TensorPlace place = devices.of(Component.TRANSFORMER).place();
                List<Tensor> latents = new ArrayList<>();
                List<Sampler.Trajectory> trajectories = new ArrayList<>();
                for (int i = 0; i < request.totalCount(); i++) {
                    PictureNoise noise = new PictureNoise(
                            request.seedOf(i, firstSeed),
                            request.noiseReduction(),
                            place,
                            checkpoint.transformer().inChannels(),
                            latentHeight,
                            latentWidth);
                    Tensor each = start.begin(i, schedule, noise, place).latents();
                    latents.add(each);
                    trajectories.add(sampler.begin(each, schedule, noise));
                }
                try {
                    denoise(
                            transformer.get(progress(Component.TRANSFORMER, listener, cancellation)),
                            embeddings,
                            schedule,
                            latents,
                            trajectories);
                    return latents;
                } finally {
                    transformer.rest();
                }
            });
        }

        private List<DrawnImage> images(List<Tensor> latents) {
            try {
                return decode(vae.get(progress(Component.VAE, listener, cancellation)), latents);
            } finally {
                vae.rest();
            }
        }

        private Embeddings embeddings() {
            PromptEmbeddings negative = guidance.isOn() ? request.negativeEmbeddings() : null;
            String negativePrompt = guidance.isOn() && negative == null
                    ? Objects.requireNonNullElse(request.negativePrompt(), "")
                    : null;
            List<String> prompts = new ArrayList<>(request.prompts());
            if (negativePrompt != null) {
                prompts.add(negativePrompt);
            }
            Map<String, PromptEmbeddings> encoded = encode(prompts, listener, cancellation);
            List<PromptEmbeddings> given = new ArrayList<>(request.promptEmbeddings());
            request.prompts().forEach(prompt -> given.add(Objects.requireNonNull(encoded.get(prompt))));
            List<PromptEmbeddings> positive = new ArrayList<>();
            for (PromptEmbeddings each : given) {
                positive.addAll(Collections.nCopies(request.count(), each));
            }
            return new Embeddings(positive, negativePrompt == null ? negative : encoded.get(negativePrompt));
        }

        private void denoise(
                ZImageTransformer2DModel model,
                Embeddings embeddings,
                NoiseSchedule schedule,
                List<Tensor> latents,
                List<Sampler.Trajectory> trajectories) {
            // Captions
            Map<PromptEmbeddings, Caption> captions = captions(model, embeddings);
            List<TransformerInput> inputs = inputs(model, latents, embeddings.positive(), captions);
            PromptEmbeddings negative = embeddings.negative();
            List<TransformerInput> negativeInputs = negative == null
                    ? List.of()
                    : inputs(model, latents, Collections.nCopies(latents.size(), negative), captions);
            encode = since(start);
            listener.onEncode(encode);

            // Steps
            long denoiseStart = System.nanoTime();
            List<StepModulation> modulations = model.modulations(timesteps(schedule));
            StepClock clock = new StepClock(
                    devices.of(Component.TRANSFORMER), request, schedule.steps().size(), listener);
            StepPreviews previews = new StepPreviews(
                    listener, vae.residentModel(), checkpoint.vae().scale(), cancellation);
            CompiledTransformer replayed = compiled;
            int atOnce = options.limits().picturesAtOnce();
            for (Evaluation at : schedule.evaluations(sampler)) {
                Step step = at.step();
                previews.ask(step);
                boolean guided = guidance.actsAt(at.timestep());
                for (int first = 0; first < latents.size(); first += atOnce) {
                    int last = Math.min(first + atOnce, latents.size());
                    List<TransformerInput> group = new ArrayList<>(inputs.subList(first, last));
                    if (guided) {
                        group.addAll(negativeInputs.subList(first, last));
                    }
                    boolean runsAgain = last < latents.size() || !at.isLast();
                    StepModulation modulation = modulations.get(step.index());
                    try (PointerScope scope = new PointerScope()) {
                        List<Tensor> velocities = replayed == null
                                ? model.forward(group, modulation, runsAgain, cancellation)
                                : replayed.forward(group, modulation, cancellation);
                        for (int i = first; i < last; i++) {
                            Tensor velocity = velocities.get(i - first);
                            if (guided) {
                                velocity = guidance.combine(velocity, velocities.get(last - first + i - first));
                            }
                            previews.show(at, i, latents.get(i), velocity);
                            trajectories.get(i).advance(at, velocity);
                        }
                    }
                }
                clock.ordered();
            }
            clock.finish();
            steps = clock.durations();
            denoise = since(denoiseStart);
        }

        private static float[] timesteps(NoiseSchedule schedule) {
            float[] timesteps = new float[schedule.steps().size()];
            for (Step step : schedule.steps()) {
                timesteps[step.index()] = step.timestep();
            }
            return timesteps;
        }

        private Map<PromptEmbeddings, Caption> captions(ZImageTransformer2DModel model, Embeddings embeddings) {
            List<PromptEmbeddings> distinct = embeddings.distinct();
            TensorPlace place = devices.of(Component.TRANSFORMER).place();
            List<Caption> captions = model.captions(
                    distinct.stream()
                            .map(each -> place.of(each.values(), each.tokens(), each.features()))
                            .toList(),
                    cancellation);
            Map<PromptEmbeddings, Caption> map = new HashMap<>();
            for (int i = 0; i < distinct.size(); i++) {
                map.put(distinct.get(i), captions.get(i));
            }
            return map;
        }

        private List<TransformerInput> inputs(
                ZImageTransformer2DModel model,
                List<Tensor> latents,
                List<PromptEmbeddings> embeddings,
                Map<PromptEmbeddings, Caption> captions) {
            Map<PromptEmbeddings, RotaryEmbedding> rotary = new HashMap<>();
            List<TransformerInput> inputs = new ArrayList<>();
            for (int i = 0; i < latents.size(); i++) {
                Caption caption = Objects.requireNonNull(captions.get(embeddings.get(i)));
                RotaryEmbedding imageRotary = rotary.computeIfAbsent(
                        embeddings.get(i), each -> model.imageRotary(latentHeight, latentWidth, caption));
                inputs.add(new TransformerInput(latents.get(i), caption, imageRotary));
            }
            return inputs;
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

        private List<DrawnImage> decode(PictureDecoder model, List<Tensor> latents) {
            List<DrawnImage> images = new ArrayList<>();
            for (Tensor each : latents) {
                DrawnImage image = decode(model, each);
                images.add(image);
                listener.onDecode(images.size(), latents.size(), image.timings().decode());
            }
            return images;
        }

        private DrawnImage decode(PictureDecoder model, Tensor latents) {
            try (PointerScope scope = new PointerScope()) {
                long decodeStart = System.nanoTime();
                cancellation.run();
                Tensor image = TensorPlace.CPU.take(model.decode(latents, cancellation)); // [height, width, 3]
                int height = Math.toIntExact(image.size(0));
                int width = Math.toIntExact(image.size(1));
                byte[] rgb = Tensors.toBytes(image);
                Latents kept = Latents.of(
                        Math.toIntExact(latents.size(0)),
                        Math.toIntExact(latents.size(1)),
                        Math.toIntExact(latents.size(2)),
                        Tensors.toFloats(latents));
                return new DrawnImage(
                        width, height, rgb, kept, new GenerationTimings(encode, denoise, since(decodeStart), steps));
            }
        }
    }

    /**
     * What a request's pictures shall show.
     *
     * @param positive one a picture
     * @param negative that of all, if guidance needs it
     */
    private record Embeddings(
            List<PromptEmbeddings> positive, @Nullable PromptEmbeddings negative) {
        List<PromptEmbeddings> distinct() {
            Set<PromptEmbeddings> distinct = new LinkedHashSet<>(positive);
            if (negative != null) {
                distinct.add(negative);
            }
            return List.copyOf(distinct);
        }
    }
}
