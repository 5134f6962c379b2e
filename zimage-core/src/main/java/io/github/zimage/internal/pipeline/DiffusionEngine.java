package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.GenerationTimings;
import io.github.zimage.Latents;
import io.github.zimage.Precision;
import io.github.zimage.PromptEmbeddings;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.LinearProbe;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.FlowMatchEulerSchedule;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.Rotations;
import io.github.zimage.internal.transformer.StepModulation;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.vae.AutoencoderKL;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.TransformerConfig;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The model, loaded, and the way from a request to pictures. Runs on the device thread. The steps are those of diffusers'
 * {@code ZImagePipeline.__call__}.
 */
public final class DiffusionEngine implements AutoCloseable {
    /** Bounds the memory for streams between blocks; a block's weights are still used for several pictures in a row. */
    private static final int PICTURES_AT_ONCE = 4;

    private final Checkpoint checkpoint;
    private final Attention attention;
    private final PromptTokens promptTokens;
    private final PromptEncoder promptEncoder;
    private final ZImageTransformer2DModel transformer;
    private final AutoencoderKL vae;
    private final Map<Component, WeightStore> stores = new EnumMap<>(Component.class);

    /** Loads a checkpoint. */
    public DiffusionEngine(
            Checkpoint checkpoint, PromptTokens promptTokens, EngineOptions options, GenerationListener listener) {
        this.checkpoint = checkpoint;
        this.promptTokens = promptTokens;
        try (PointerScope scope = new PointerScope()) {
            Precision textPrecision = options.precision(Component.TEXT_ENCODER);
            Precision transformerPrecision = options.precision(Component.TRANSFORMER);
            Precision vaePrecision = options.precision(Component.VAE);
            if (options.precisions().containsValue(Precision.INT8)) {
                LinearProbe.requireInt8();
            }
            attention = AttentionSelector.select(options.attention(), transformerPrecision);
            Qwen3Model textEncoder = new Qwen3Model(
                    checkpoint.textEncoder(),
                    store(Component.TEXT_ENCODER, listener),
                    new Kernels(attention, textPrecision));
            promptEncoder = new PromptEncoder(promptTokens, textEncoder);
            transformer = new ZImageTransformer2DModel(
                    checkpoint.transformer(),
                    store(Component.TRANSFORMER, listener),
                    new Kernels(attention, transformerPrecision));
            vae = new AutoencoderKL(checkpoint.vae(), store(Component.VAE, listener), attention, vaePrecision);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private WeightStore store(Component component, GenerationListener listener) {
        WeightIndex index = checkpoint.weights(component);
        WeightStore store = new WeightStore(index, done -> listener.onLoad(component, done, index.byteSize()));
        stores.put(component, store);
        return store;
    }

    /** Returns the name of the attention backend that was chosen. */
    public String attentionName() {
        return attention.name();
    }

    /** Encodes a prompt. */
    public PromptEmbeddings encode(String prompt, Runnable cancellation) {
        return promptEncoder.encode(prompt, cancellation);
    }

    /**
     * Draws all pictures of a request.
     *
     * @param firstSeed the seed of the first picture
     * @param cancellation called often; throws to cancel
     */
    public List<DrawnImage> generate(
            GenerationRequest request, long firstSeed, GenerationListener listener, Runnable cancellation) {
        try (PointerScope scope = new PointerScope()) {
            // 1. Prompts to captions
            long start = System.nanoTime();
            Guidance guidance = Guidance.of(request);
            Map<PromptEmbeddings, Caption> captions = new HashMap<>();
            List<Caption> positive = positiveCaptions(request, captions, cancellation);
            Caption negative = guidance.isOn() ? caption(negativeEmbeddings(request, cancellation), captions) : null;
            Duration encode = since(start);
            listener.onEncode(encode);

            // 2. Noise
            List<Tensor> latents = noise(request, firstSeed);

            // 3. Schedule
            long denoiseStart = System.nanoTime();
            int patch = TransformerConfig.PATCH_SIZE;
            int imageTokens = latentHeight(request) / patch * (latentWidth(request) / patch);
            FlowMatchEulerSchedule schedule =
                    FlowMatchEulerSchedule.of(checkpoint.scheduler(), levels(request), imageTokens);
            List<StepModulation> modulations = transformer.modulations(schedule.timesteps());

            // 4. Denoising
            List<TransformerInput> inputs = inputs(latents, positive, request);
            List<TransformerInput> negativeInputs =
                    negative == null ? List.of() : inputs(latents, sameForAll(negative, latents), request);
            List<Duration> steps = new ArrayList<>();
            for (int step = 0; step < request.steps(); step++) {
                long stepStart = System.nanoTime();
                boolean guided = guidance.actsAt(schedule.timesteps()[step]);
                float sigmaChange = schedule.sigmas()[step + 1] - schedule.sigmas()[step];
                StepModulation modulation = modulations.get(step);
                for (int first = 0; first < latents.size(); first += PICTURES_AT_ONCE) {
                    int last = Math.min(first + PICTURES_AT_ONCE, latents.size());
                    List<TransformerInput> group = inputs.subList(first, last);
                    try (PointerScope groupScope = new PointerScope()) {
                        List<Tensor> velocities = guided
                                ? guided(guidance, group, negativeInputs.subList(first, last), modulation, cancellation)
                                : transformer.forward(group, modulation, cancellation);
                        for (int i = first; i < last; i++) {
                            // The transformer predicts the way to the picture; sigma falls on it, hence the sign.
                            latents.get(i).add_(velocities.get(i - first), new Scalar(-sigmaChange));
                        }
                    }
                }
                steps.add(since(stepStart));
                listener.onStep(step + 1, request.steps(), steps.get(step));
            }
            Duration denoise = since(denoiseStart);

            // 5. Latents to pictures
            List<DrawnImage> images = new ArrayList<>();
            for (Tensor each : latents) {
                images.add(decode(each, encode, denoise, steps, cancellation));
                listener.onDecode(
                        images.size(),
                        latents.size(),
                        images.get(images.size() - 1).timings().decode());
            }
            return images;
        }
    }

    private List<Caption> positiveCaptions(
            GenerationRequest request, Map<PromptEmbeddings, Caption> captions, Runnable cancellation) {
        List<PromptEmbeddings> embeddings = new ArrayList<>(request.promptEmbeddings());
        for (String prompt : request.prompts()) {
            embeddings.add(promptEncoder.encode(prompt, cancellation));
        }
        List<Caption> result = new ArrayList<>();
        for (PromptEmbeddings each : embeddings) {
            for (int i = 0; i < request.count(); i++) {
                result.add(caption(each, captions));
            }
        }
        return result;
    }

    private PromptEmbeddings negativeEmbeddings(GenerationRequest request, Runnable cancellation) {
        if (request.negativeEmbeddings() != null) {
            return request.negativeEmbeddings();
        }
        String prompt = request.negativePrompt();
        return promptEncoder.encode(prompt == null ? "" : prompt, cancellation);
    }

    private Caption caption(PromptEmbeddings embeddings, Map<PromptEmbeddings, Caption> captions) {
        return captions.computeIfAbsent(
                embeddings, e -> transformer.caption(Tensors.of(e.values(), e.tokens(), e.features())));
    }

    private static List<Caption> sameForAll(Caption caption, List<Tensor> latents) {
        return latents.stream().map(each -> caption).toList();
    }

    private List<Tensor> noise(GenerationRequest request, long firstSeed) {
        long[] shape = {checkpoint.transformer().inChannels(), latentHeight(request), latentWidth(request)};
        List<Tensor> noise = new ArrayList<>();
        for (int i = 0; i < request.totalCount(); i++) {
            noise.add(
                    request.latents().isEmpty()
                            ? noise(firstSeed + i, shape)
                            : Tensors.of(request.latents().get(i).values(), shape));
        }
        return noise;
    }

    /** The noise of {@code torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))}. */
    static Tensor noise(long seed, long... shape) {
        Generator generator = torch.make_generator_cpu(seed);
        return torch.randn(shape, new GeneratorOptional(generator), new TensorOptions(ScalarType.Float));
    }

    private static float[] levels(GenerationRequest request) {
        int steps = request.steps();
        if (request.sigmas().isEmpty()) {
            return Tensors.toFloats(torch.linspace(
                    new Scalar(1.0), new Scalar(1.0 / steps), steps, new TensorOptions(ScalarType.Float)));
        }
        float[] levels = new float[steps];
        for (int i = 0; i < steps; i++) {
            levels[i] = request.sigmas().get(i);
        }
        return levels;
    }

    private List<TransformerInput> inputs(List<Tensor> latents, List<Caption> captions, GenerationRequest request) {
        IdentityHashMap<Caption, Rotations> rotations = new IdentityHashMap<>();
        List<TransformerInput> inputs = new ArrayList<>();
        for (int i = 0; i < latents.size(); i++) {
            Rotations imageRotations = rotations.computeIfAbsent(
                    captions.get(i),
                    caption -> transformer.imageRotations(latentHeight(request), latentWidth(request), caption));
            inputs.add(new TransformerInput(latents.get(i), captions.get(i), imageRotations));
        }
        return inputs;
    }

    private List<Tensor> guided(
            Guidance guidance,
            List<TransformerInput> positive,
            List<TransformerInput> negative,
            StepModulation modulation,
            Runnable cancellation) {
        List<TransformerInput> both = new ArrayList<>(positive);
        both.addAll(negative);
        List<Tensor> velocities = transformer.forward(both, modulation, cancellation);
        List<Tensor> combined = new ArrayList<>();
        for (int i = 0; i < positive.size(); i++) {
            combined.add(guidance.combine(velocities.get(i), velocities.get(positive.size() + i)));
        }
        return combined;
    }

    private DrawnImage decode(
            Tensor latents, Duration encode, Duration denoise, List<Duration> steps, Runnable cancellation) {
        try (PointerScope scope = new PointerScope()) {
            long start = System.nanoTime();
            cancellation.run();
            Tensor image = vae.decode(latents, cancellation); // [height, width, 3]
            int height = Math.toIntExact(image.size(0));
            int width = Math.toIntExact(image.size(1));
            byte[] rgb = new byte[Math.multiplyExact(height * 3, width)];
            new BytePointer(image.data_ptr()).get(rgb);
            Latents kept = Latents.of(
                    Math.toIntExact(latents.size(0)),
                    Math.toIntExact(latents.size(1)),
                    Math.toIntExact(latents.size(2)),
                    Tensors.toFloats(latents));
            return new DrawnImage(
                    width, height, rgb, kept, new GenerationTimings(encode, denoise, since(start), steps));
        }
    }

    private int latentHeight(GenerationRequest request) {
        return request.height() / checkpoint.vae().scale();
    }

    private int latentWidth(GenerationRequest request) {
        return request.width() / checkpoint.vae().scale();
    }

    private static Duration since(long nanoTime) {
        return Duration.ofNanos(System.nanoTime() - nanoTime);
    }

    /** Frees the weights. */
    @Override
    public void close() {
        stores.values().forEach(WeightStore::close);
        stores.clear();
        promptTokens.close();
    }
}
