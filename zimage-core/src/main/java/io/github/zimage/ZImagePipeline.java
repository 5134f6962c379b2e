package io.github.zimage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.pipeline.DiffusionEngine;
import io.github.zimage.internal.pipeline.DrawnImage;
import io.github.zimage.internal.pipeline.EngineOptions;
import io.github.zimage.internal.pipeline.PromptTokens;
import io.github.zimage.internal.pipeline.RequestCheck;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.weights.Checkpoint;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Draws pictures from prompts.
 *
 * <pre>{@code
 * try (ZImagePipeline pipeline = ZImagePipeline.builder().model(Path.of("Z-Image-Turbo")).build()) {
 *     pipeline.generate("a red fox in the snow").save(Path.of("fox.png"));
 * }
 * }</pre>
 *
 * <p>A pipeline holds a checkpoint's weights, gigabytes for the full model, in native memory until it is closed. Part of them it
 * reads from the checkpoint's files as it needs them: cutting off or overwriting one of those meanwhile can end the JVM.
 *
 * <p>A pipeline is thread-safe:
 * any number of threads may share one. Their calls wait for each other and are served in order by one thread that belongs to the
 * pipeline.
 *
 * <p>Interrupting a thread that waits in a blocking method, cancelling a future, or closing the pipeline ends the generation
 * concerned within a step. The same request with the same seed gives the same picture on the same machine.
 */
public final class ZImagePipeline implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ZImagePipeline.class);

    private final Checkpoint checkpoint;
    private final EngineOptions options;
    private final RequestCheck requestCheck;
    private final DiffusionEngine engine;
    private final DeviceThread device;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final SecureRandom seeds = new SecureRandom();
    private final Thread shutdownHook;

    private ZImagePipeline(
            RequestCheck requestCheck, EngineOptions options, DiffusionEngine engine, DeviceThread device) {
        this.requestCheck = requestCheck;
        this.checkpoint = requestCheck.checkpoint();
        this.options = options;
        this.engine = engine;
        this.device = device;
        this.shutdownHook = closeAtShutdown(new WeakReference<>(this));
    }

    /** Returns a builder with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Draws one picture of 1024 by 1024 pixels in 8 steps. Blocks until it is done.
     *
     * @throws IllegalArgumentException if the prompt is too long
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws IllegalStateException if the pipeline is closed
     */
    public GeneratedImage generate(String prompt) {
        return generate(GenerationRequest.builder().prompt(prompt).build());
    }

    /**
     * Draws the picture of a request. Blocks until it is done.
     *
     * @throws IllegalArgumentException if the request is for more than one picture, or does not suit the model
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws IllegalStateException if the pipeline is closed
     */
    public GeneratedImage generate(GenerationRequest request) {
        if (request.totalCount() != 1) {
            throw new IllegalArgumentException("generate draws one picture, but the request is for %d: call generateAll"
                    .formatted(request.totalCount()));
        }
        return generateAll(request).get(0);
    }

    /** As {@link #generateAll(GenerationRequest, GenerationListener)}, without a listener. */
    public List<GeneratedImage> generateAll(GenerationRequest request) {
        return generateAll(request, new GenerationListener() {});
    }

    /**
     * Draws all pictures of a request: those of the first prompt, then those of the second, and so on. Blocks until they are done.
     *
     * @param listener hears how it gets on
     * @throws IllegalArgumentException if the request does not suit the model; the message says why
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public List<GeneratedImage> generateAll(GenerationRequest request, GenerationListener listener) {
        rejectDeviceThread();
        return await(generateAsync(request, listener));
    }

    /** As {@link #generateAsync(GenerationRequest, GenerationListener)}, without a listener. */
    public CompletableFuture<List<GeneratedImage>> generateAsync(GenerationRequest request) {
        return generateAsync(request, new GenerationListener() {});
    }

    /**
     * Queues a request and returns at once. Cancelling the future, not one derived from it, ends the generation within a step.
     * What is chained to the future without an executor of its own may run on the pipeline's thread and hold up the next
     * generation; it may queue further requests, but not wait for them.
     *
     * @param listener hears how it gets on
     * @return a future that completes with all pictures, or with what {@link #generateAll} would throw
     * @throws IllegalArgumentException if the request does not suit the model
     * @throws ModelLoadException if tokenizer and text encoder do not belong together
     * @throws IllegalStateException if the pipeline is closed or 1024 requests wait
     */
    public CompletableFuture<List<GeneratedImage>> generateAsync(
            GenerationRequest request, GenerationListener listener) {
        rejectIfClosed();
        requestCheck.check(request);
        return submit(cancellation -> {
            long seed = Objects.requireNonNullElseGet(request.seed(), () -> seeds.nextLong() >>> 32);
            List<GeneratedImage> images =
                    described(request, seed, engine.generate(request, seed, listener, cancellation));
            listener.onDone(images);
            return images;
        });
    }

    /**
     * Turns a prompt into embeddings, which can be given to any number of requests. Blocks until it is done.
     *
     * @throws IllegalArgumentException if the prompt is too long
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public PromptEmbeddings encode(String prompt) {
        Objects.requireNonNull(prompt, "prompt");
        rejectIfClosed();
        rejectDeviceThread();
        return await(submit(cancellation -> engine.encode(prompt, cancellation)));
    }

    /** Returns the name of the attention backend in use, which for {@link AttentionBackend#AUTO} is the one that was chosen. */
    public String attentionBackend() {
        return engine.attentionName();
    }

    private List<GeneratedImage> described(GenerationRequest request, long firstSeed, List<DrawnImage> drawn) {
        List<GeneratedImage> images = new ArrayList<>();
        for (int i = 0; i < drawn.size(); i++) {
            DrawnImage image = drawn.get(i);
            ImageParameters parameters = new ImageParameters(
                    request.prompts().isEmpty() ? null : request.prompts().get(i / request.count()),
                    request.guidance() > 0 ? request.negativePrompt() : null,
                    image.width(),
                    image.height(),
                    request.steps(),
                    request.guidance(),
                    request.cfgNormalization(),
                    request.cfgTruncation(),
                    request.latents().isEmpty() ? firstSeed + i : null,
                    request.sigmas(),
                    checkpoint.name(),
                    options.precision(Component.TRANSFORMER),
                    options.precision(Component.VAE));
            images.add(new GeneratedImage(
                    image.width(), image.height(), image.rgb(), image.latents(), parameters, image.timings()));
        }
        return List.copyOf(images);
    }

    /** Runs a task on the device, giving it a check that throws once its future is cancelled or the pipeline closed. */
    private <T> CompletableFuture<T> submit(Function<Runnable, T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Runnable cancellation = () -> {
            if (result.isCancelled()) {
                throw new GenerationCancelledException("the generation was cancelled");
            }
            if (closed.get()) {
                throw new GenerationCancelledException("the pipeline was closed");
            }
        };
        device.execute(result, () -> {
            cancellation.run();
            return task.apply(cancellation);
        });
        return result;
    }

    private static <T> T await(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException("the waiting thread was interrupted", e);
        } catch (CancellationException e) {
            throw new GenerationCancelledException("the generation was cancelled", e);
        } catch (ExecutionException | CompletionException e) {
            throw rethrown(e.getCause());
        }
    }

    private static RuntimeException rethrown(@Nullable Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof RuntimeException exception) {
            return exception;
        }
        return new ZImageException("generation failed", cause);
    }

    private void rejectDeviceThread() {
        if (device.isCurrent()) {
            throw new IllegalStateException(
                    "the pipeline's own thread, on which listeners run, must not wait for itself");
        }
    }

    private void rejectIfClosed() {
        if (closed.get()) {
            throw new IllegalStateException("pipeline is closed");
        }
    }

    /**
     * Ends what runs and waits, with {@link GenerationCancelledException}, and frees the weights. Blocks until that is done, at most
     * for about a step. Further calls do nothing.
     */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            device.close(engine::close);
            try {
                Runtime.getRuntime().removeShutdownHook(shutdownHook);
            } catch (IllegalStateException e) {
                LOG.debug("closed while the JVM shuts down");
            }
        }
    }

    /** LibTorch's libraries hang in their exit handlers while a thread of theirs computes: a JVM that ends must stop it first. */
    private static Thread closeAtShutdown(WeakReference<ZImagePipeline> reference) {
        Thread hook = new Thread(
                () -> {
                    ZImagePipeline pipeline = reference.get();
                    if (pipeline != null) {
                        pipeline.close();
                    }
                },
                "zimage-shutdown");
        Runtime.getRuntime().addShutdownHook(hook);
        return hook;
    }

    /**
     * Collects how a pipeline shall be. Not thread-safe.
     */
    public static final class Builder {
        private @Nullable Path model;
        private final Map<Component, Precision> precisions = new EnumMap<>(Component.class);
        private Precision precision = Precision.BF16;
        private AttentionBackend attention = AttentionBackend.AUTO;
        private int maxPromptTokens = 512;
        private PromptOverflow promptOverflow = PromptOverflow.ERROR;
        private @Nullable String variant;
        private GenerationListener listener = new GenerationListener() {};

        private Builder() {}

        /** Sets the checkpoint's folder, in the layout of diffusers: the one that holds {@code model_index.json}. Required. */
        @CanIgnoreReturnValue
        public Builder model(Path folder) {
            this.model = Objects.requireNonNull(folder, "model");
            return this;
        }

        /**
         * Sets the precision of all components that have none of their own, {@link Precision#BF16} unless set. With {@link
         * Precision#INT8} the VAE has {@link Precision#BF16}.
         */
        @CanIgnoreReturnValue
        public Builder precision(Precision precision) {
            this.precision = Objects.requireNonNull(precision, "precision");
            return this;
        }

        /**
         * Sets the precision of one component. {@link Precision#FP32} for the VAE costs time and smooths faint bands.
         *
         * @throws IllegalArgumentException for the VAE and {@link Precision#INT8}
         */
        @CanIgnoreReturnValue
        public Builder precision(Component component, Precision precision) {
            Objects.requireNonNull(component, "component");
            Objects.requireNonNull(precision, "precision");
            if (component == Component.VAE && precision == Precision.INT8) {
                throw new IllegalArgumentException("the VAE's precision must be FP32 or BF16, but was INT8");
            }
            precisions.put(component, precision);
            return this;
        }

        /** Sets how attention is computed, {@link AttentionBackend#AUTO} unless set. */
        @CanIgnoreReturnValue
        public Builder attention(AttentionBackend backend) {
            this.attention = Objects.requireNonNull(backend, "attention");
            return this;
        }

        /**
         * Sets how many tokens a prompt may have, 512 unless set: the model was trained up to that. The chat template takes 8.
         *
         * @throws IllegalArgumentException unless between 16 and 4096
         */
        @CanIgnoreReturnValue
        public Builder maxPromptTokens(int tokens) {
            if (tokens < 16 || tokens > 4096) {
                throw new IllegalArgumentException("maxPromptTokens must be between 16 and 4096, but was " + tokens);
            }
            this.maxPromptTokens = tokens;
            return this;
        }

        /** Sets what happens to a prompt that has more tokens, {@link PromptOverflow#ERROR} unless set. */
        @CanIgnoreReturnValue
        public Builder promptOverflow(PromptOverflow overflow) {
            this.promptOverflow = Objects.requireNonNull(overflow, "promptOverflow");
            return this;
        }

        /** Prefers weight files of a variant, such as {@code bf16} for {@code model.bf16.safetensors}. */
        @CanIgnoreReturnValue
        public Builder variant(String variant) {
            this.variant = Objects.requireNonNull(variant, "variant");
            return this;
        }

        /** Sets who hears how loading gets on. */
        @CanIgnoreReturnValue
        public Builder listener(GenerationListener listener) {
            this.listener = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /**
         * Loads the model. Blocks meanwhile. Weights that are stored in the precision they are computed in are mapped and take no
         * memory of their own until used; others are converted, which takes as long as reading them and as much memory as they have
         * afterwards.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws NativeLibraryException if LibTorch is missing
         * @throws OutOfDeviceMemoryException if there is not enough memory
         * @throws GenerationCancelledException if the calling thread is interrupted
         * @throws IllegalArgumentException if there is no attention backend of the name that was set
         * @throws ZImageException if a precision is {@link Precision#INT8} and the processor has no instructions for it
         */
        public ZImagePipeline build() {
            long start = System.nanoTime();
            Checkpoint checkpoint = Checkpoint.open(folder(), variant);
            EngineOptions options = new EngineOptions(allPrecisions(), attention);
            AttentionSelector.require(attention);
            PromptTokens promptTokens = PromptTokens.load(checkpoint, maxPromptTokens, promptOverflow);
            DeviceThread device;
            try {
                NativeRuntime.load();
                device = new DeviceThread("zimage-cpu");
            } catch (RuntimeException e) {
                promptTokens.close();
                throw e;
            }
            AtomicReference<@Nullable DiffusionEngine> loaded = new AtomicReference<>();
            try {
                CompletableFuture<DiffusionEngine> future = new CompletableFuture<>();
                device.execute(future, () -> {
                    DiffusionEngine made =
                            new DiffusionEngine(checkpoint, promptTokens, options, untilCancelled(future));
                    loaded.set(made);
                    return made;
                });
                DiffusionEngine engine = await(future);
                logChoices(checkpoint, options, engine, Duration.ofNanos(System.nanoTime() - start));
                return new ZImagePipeline(new RequestCheck(checkpoint, promptTokens), options, engine, device);
            } catch (RuntimeException | Error e) {
                device.close(() -> closeAfterFailure(loaded.get(), promptTokens));
                throw e;
            }
        }

        /**
         * Checks a request against the model without loading weights or native libraries of LibTorch: what {@link #build} and
         * {@link ZImagePipeline#generateAll} would refuse.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws IllegalArgumentException if the request does not suit the model, or there is no attention backend of the name
         *     that was set
         */
        public void check(GenerationRequest request) {
            Checkpoint checkpoint = Checkpoint.open(folder(), variant);
            AttentionSelector.require(attention);
            try (PromptTokens promptTokens = PromptTokens.load(checkpoint, maxPromptTokens, promptOverflow)) {
                new RequestCheck(checkpoint, promptTokens).check(request);
            }
        }

        /**
         * Counts a prompt's tokens with the model's tokenizer, those of the chat template among them; neither weights nor LibTorch
         * are loaded. What was set by {@link #maxPromptTokens} and {@link #promptOverflow} does not matter. The tokenizer is
         * loaded each time.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         */
        public int countTokens(String prompt) {
            Objects.requireNonNull(prompt, "prompt");
            Checkpoint checkpoint = Checkpoint.open(folder(), variant);
            try (PromptTokens promptTokens = PromptTokens.load(checkpoint, maxPromptTokens, promptOverflow)) {
                return promptTokens.count(prompt);
            }
        }

        /** Passes progress on to the listener, and ends the loading when nobody waits for it any more. */
        private GenerationListener untilCancelled(CompletableFuture<?> future) {
            GenerationListener target = listener;
            return new GenerationListener() {
                @Override
                public void onLoad(Component component, long bytesDone, long bytesTotal) {
                    if (future.isCancelled()) {
                        throw new GenerationCancelledException("the loading was interrupted");
                    }
                    target.onLoad(component, bytesDone, bytesTotal);
                }
            };
        }

        private Path folder() {
            if (model == null) {
                throw new IllegalStateException("model must be set to the checkpoint's folder, but was not");
            }
            return model;
        }

        private static void closeAfterFailure(@Nullable DiffusionEngine engine, PromptTokens promptTokens) {
            if (engine != null) {
                engine.close();
            }
            promptTokens.close();
        }

        private Map<Component, Precision> allPrecisions() {
            Map<Component, Precision> all = new EnumMap<>(Component.class);
            for (Component component : Component.values()) {
                Precision otherwise =
                        component == Component.VAE && precision == Precision.INT8 ? Precision.BF16 : precision;
                all.put(component, precisions.getOrDefault(component, otherwise));
            }
            return all;
        }

        private static void logChoices(
                Checkpoint checkpoint, EngineOptions options, DiffusionEngine engine, Duration elapsed) {
            LOG.info(
                    "Using {} attention backend on the CPU with {} threads; text encoder {}, transformer {}, VAE {}; loaded {} in {} s",
                    engine.attentionName(),
                    torch.get_num_threads(),
                    options.precision(Component.TEXT_ENCODER),
                    options.precision(Component.TRANSFORMER),
                    options.precision(Component.VAE),
                    checkpoint.name(),
                    "%.1f".formatted(elapsed.toMillis() / 1000.0));
        }
    }
}
