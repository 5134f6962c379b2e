package io.github.zimage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.pipeline.DiffusionEngine;
import io.github.zimage.internal.pipeline.EngineOptions;
import io.github.zimage.internal.pipeline.Hardware;
import io.github.zimage.internal.pipeline.PromptTokens;
import io.github.zimage.internal.pipeline.RequestCheck;
import io.github.zimage.internal.placement.Machine;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.tuning.ProfileFile;
import io.github.zimage.internal.weights.Checkpoint;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;
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
 * pipeline, or one for each of its devices.
 *
 * <p>Interrupting a thread that waits in a blocking method, cancelling a future, or closing the pipeline ends the generation
 * concerned within a step. The same request with the same seed gives the same picture on the same machine.
 */
public final class ZImagePipeline implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ZImagePipeline.class);

    /** One for each device. */
    private final List<Worker> workers;

    private final RequestCheck requestCheck;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final SecureRandom seeds = new SecureRandom();
    private final @Nullable Thread shutdownHook;

    private ZImagePipeline(RequestCheck requestCheck, List<Worker> workers, boolean closesAtShutdown) {
        this.requestCheck = requestCheck;
        this.workers = List.copyOf(workers);
        this.shutdownHook = closesAtShutdown ? closeAtShutdown(new WeakReference<>(this)) : null;
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
        check(request);
        long seed = Objects.requireNonNullElseGet(request.seed(), () -> seeds.nextLong() >>> 32);
        List<Worker> free = idle();
        if (free.size() > 1 && request.totalCount() > 1) {
            return split(RequestSplit.of(request, seed, free.size(), listener), free, seed, listener);
        }
        Worker worker = free.get(0);
        return submit(worker, cancellation -> {
            List<GeneratedImage> images = worker.draw(request, seed, listener, cancellation);
            listener.onDone(images);
            return images;
        });
    }

    /** Returns the devices that have nothing to do, or else the one that has the least to do. */
    private List<Worker> idle() {
        List<Worker> idle =
                workers.stream().filter(worker -> worker.waiting() == 0).toList();
        return idle.isEmpty()
                ? List.of(workers.stream()
                        .min(Comparator.comparingInt(Worker::waiting))
                        .orElseThrow())
                : idle;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // all ends in the result
    private CompletableFuture<List<GeneratedImage>> split(
            RequestSplit request, List<Worker> free, long seed, GenerationListener listener) {
        CompletableFuture<List<GeneratedImage>> result = new CompletableFuture<>();
        Runnable cancellation = cancellation(result);
        List<CompletableFuture<List<GeneratedImage>>> parts = new ArrayList<>();
        for (int i = 0; i < request.parts().size(); i++) {
            Worker worker = free.get(i);
            GenerationRequest part = request.parts().get(i);
            GenerationListener heard = request.listener(i);
            CompletableFuture<List<GeneratedImage>> future = new CompletableFuture<>();
            // The first failure ends the other parts.
            future.exceptionally(failure -> {
                result.completeExceptionally(failure);
                return List.of();
            });
            parts.add(future);
            try {
                worker.execute(future, () -> {
                    cancellation.run();
                    return worker.draw(part, seed, heard, cancellation);
                });
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
                throw e;
            }
        }
        CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new)).thenRun(() -> {
            try {
                List<GeneratedImage> images =
                        parts.stream().flatMap(part -> part.join().stream()).toList();
                listener.onDone(images);
                result.complete(images);
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
            }
        });
        return result;
    }

    private Worker first() {
        return workers.get(0);
    }

    /**
     * Checks a request as {@link #generateAsync} does, and queues nothing.
     *
     * @throws IllegalArgumentException if the request does not suit the model
     * @throws ModelLoadException if tokenizer and text encoder do not belong together
     * @throws IllegalStateException if the pipeline is closed
     */
    public void check(GenerationRequest request) {
        rejectIfClosed();
        requestCheck.check(request);
        first().memory().check(request);
    }

    /**
     * Frees what is kept only to be used again: remembered prompts, and memory that the system's allocator holds back. Blocks until the
     * generations before it are done.
     *
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public void trim() {
        rejectIfClosed();
        rejectDeviceThread();
        for (Worker worker : workers) {
            await(submit(worker, cancellation -> {
                worker.engine().forget();
                return Pointer.trimMemory();
            }));
        }
    }

    /**
     * Goes on with the next smaller plan, which draws slower: with tiles, or with weights that are read again whenever they are needed. It
     * is what a pipeline does of itself when memory runs out. Blocks until the generations before it are done.
     *
     * @return whether there was a smaller plan; if not, nothing has changed
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public boolean shrink() {
        rejectIfClosed();
        rejectDeviceThread();
        boolean shrunk = false;
        for (Worker worker : workers) {
            shrunk |= await(submit(worker, cancellation -> {
                Optional<EngineOptions> smaller =
                        worker.memory().smaller(worker.engine().options());
                smaller.ifPresent(worker.engine()::shrink);
                return smaller.isPresent();
            }));
        }
        return shrunk;
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
        Worker worker = idle().get(0);
        return await(submit(
                worker,
                cancellation -> worker.engine()
                        .encode(prompt, cancellation, worker.memory().relief())));
    }

    /** Returns where the weights are and what the request that the pipeline was planned for needs; see {@link Builder#planFor}. */
    public MemoryPlan plan() {
        return first().memory().plan();
    }

    /** Returns what another request would need with the weights where they are. */
    public MemoryPlan plan(GenerationRequest request) {
        return first().memory().plan(request);
    }

    /**
     * Returns what the latest generation that finished really had in memory, to be compared with {@link #plan(GenerationRequest)}:
     * on the CPU the whole process's, other pipelines included, looked at some fifty times a second; on a graphics card what
     * LibTorch's allocator held of it, and the 740 MiB that the plan counts for driver and libraries, which are not looked at. Nothing
     * before the first generation, and nothing where the system does not tell, which for the CPU only Linux does.
     */
    public Optional<MemoryPlan.Peaks> measuredPeaks() {
        return workers.stream()
                .map(worker -> worker.memory().measured())
                .flatMap(Optional::stream)
                .max(Comparator.comparingLong(MemoryPlan.Peaks::highest));
    }

    /** Draws a picture of each size on each device. */
    private void warmUp(List<ImageSize> sizes) {
        for (ImageSize size : sizes) {
            GenerationRequest request = GenerationRequest.builder()
                    .prompt("")
                    .size(size)
                    .steps(first().engine().isCompiled() ? 2 : 1)
                    .seed(0)
                    .build();
            requestCheck.check(request);
            first().memory().check(request);
            List<CompletableFuture<?>> drawn = new ArrayList<>();
            for (Worker worker : workers) {
                drawn.add(submit(
                        worker, cancellation -> worker.draw(request, 0, new GenerationListener() {}, cancellation)));
            }
            drawn.forEach(ZImagePipeline::await);
        }
    }

    /** Returns the name of the attention backend in use, which for {@link AttentionBackend#AUTO} is the one that was chosen. */
    public String attentionBackend() {
        return first().engine().attentionName();
    }

    /** Runs a task on the device, giving it a check that throws once its future is cancelled or the pipeline closed. */
    private <T> CompletableFuture<T> submit(Worker worker, Function<Runnable, T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Runnable cancellation = cancellation(result);
        worker.execute(result, () -> {
            cancellation.run();
            return task.apply(cancellation);
        });
        return result;
    }

    private Runnable cancellation(CompletableFuture<?> result) {
        return () -> {
            if (result.isDone()) {
                throw new GenerationCancelledException("the generation was cancelled");
            }
            if (closed.get()) {
                throw new GenerationCancelledException("the pipeline was closed");
            }
        };
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
        if (workers.stream().anyMatch(Worker::isCurrent)) {
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
            workers.forEach(Worker::close);
            removeShutdownHook();
        }
    }

    private void removeShutdownHook() {
        if (shutdownHook == null) {
            return;
        }
        try {
            Runtime.getRuntime().removeShutdownHook(shutdownHook);
        } catch (IllegalStateException e) {
            LOG.debug("closed while the JVM shuts down");
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
        private VaeTiling vaeTiling = VaeTiling.auto();
        private int maxPromptTokens = 512;
        private PromptOverflow promptOverflow = PromptOverflow.ERROR;
        private @Nullable String variant;
        private ConversionCache conversionCache = ConversionCache.automatic();
        private @Nullable Profile profile;
        private Map<Component, Precision> profilePrecisions = Map.of();
        private GenerationListener listener = new GenerationListener() {};
        private final Map<Component, Placement> placements = new EnumMap<>(Component.class);
        private List<Device> devices = List.of();
        private List<ImageSize> warmUp = List.of();
        private boolean compileTransformer;
        private @Nullable MemorySize memoryBudget;
        private @Nullable Integer threads;
        private boolean closesAtShutdown = true;
        private GenerationRequest plannedRequest =
                GenerationRequest.builder().prompt("").build();

        private Builder() {}

        /** Sets the checkpoint's folder, in the layout of diffusers: the one that holds {@code model_index.json}. Required. */
        @CanIgnoreReturnValue
        public Builder model(Path folder) {
            this.model = Objects.requireNonNull(folder, "model");
            return this;
        }

        /**
         * Sets the precision of all components that have none of their own, {@link Precision#BF16} unless set. With one of
         * 8 bits the VAE has {@link Precision#BF16}.
         */
        @CanIgnoreReturnValue
        public Builder precision(Precision precision) {
            this.precision = Objects.requireNonNull(precision, "precision");
            profilePrecisions = Map.of();
            return this;
        }

        /**
         * Sets the precision of one component. {@link Precision#FP32} for the VAE costs time and smooths faint bands.
         *
         * @throws IllegalArgumentException for the VAE and a precision of 8 bits
         */
        @CanIgnoreReturnValue
        public Builder precision(Component component, Precision precision) {
            Objects.requireNonNull(component, "component");
            Objects.requireNonNull(precision, "precision");
            if (component == Component.VAE && precision.isEightBit()) {
                throw new IllegalArgumentException("the VAE's precision must be FP32 or BF16, but was " + precision);
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
         * Sets whether pictures are decoded in tiles, {@link VaeTiling#auto} unless set: in tiles then if the plan for the memory says
         * so, or if a whole picture would take more than half of the memory that is available when it is decoded, which is known on
         * Linux only.
         */
        @CanIgnoreReturnValue
        public Builder vaeTiling(VaeTiling tiling) {
            this.vaeTiling = Objects.requireNonNull(tiling, "vaeTiling");
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

        /**
         * Reads a file that {@code zimage tune} wrote and sets what is in it: the precision of each component and the attention
         * backend. What is set afterwards takes the place of that.
         *
         * @throws IllegalArgumentException if the file is missing or not a profile
         */
        @CanIgnoreReturnValue
        public Builder profile(Path file) {
            return profile(Profile.read(file));
        }

        /** As {@link #profile(Path)}, for one that has been read. */
        @CanIgnoreReturnValue
        public Builder profile(Profile profile) {
            this.profile = Objects.requireNonNull(profile, "profile");
            precisions.clear();
            profilePrecisions = profile.precisions();
            attention = profile.attention();
            return this;
        }

        /**
         * Sets what computes all components that are not {@linkplain #place placed} elsewhere. Unless set, it is the first graphics card
         * that can be used, if the module for it, {@code zimage-cuda}, is there; or else the CPU.
         */
        @CanIgnoreReturnValue
        public Builder device(Device device) {
            return devices(List.of(device));
        }

        /**
         * Sets several devices, each of which gets the whole model: a request goes to one that has nothing to do, and the pictures of a
         * request are shared out among those, each drawn as it would be on one device. All are planned for alike, and a memory budget
         * is for each.
         *
         * @throws IllegalArgumentException if there is none, or one is there twice
         */
        @CanIgnoreReturnValue
        public Builder devices(List<Device> devices) {
            if (devices.isEmpty() || new HashSet<>(devices).size() < devices.size()) {
                throw new IllegalArgumentException("devices must be one or more, each once, but were " + devices);
            }
            this.devices = List.copyOf(devices);
            return this;
        }

        /**
         * Sets whether the transformer's work is recorded and replayed, false unless set: on an NVIDIA card as a CUDA graph, so that the
         * processor orders a step by one call in place of a thousand. The pictures are the same. What is recorded is for a size and a
         * length of the prompt, in steps of 32 tokens, the second time that they come; the eight used last are kept until {@link
         * ZImagePipeline#trim}.
         *
         * <p>Where it cannot be, all goes on as without, and the log says why: on the CPU, where ordering takes no time to speak of; on a
         * card without room for all weights and the recordings; if LibTorch, the driver or an attention backend refuses. When memory runs
         * out, recordings are the first to go.
         */
        @CanIgnoreReturnValue
        public Builder compileTransformer(boolean compile) {
            this.compileTransformer = compile;
            return this;
        }

        /**
         * Draws a picture of each size, in one step or, if the transformer is compiled, two, before {@link #build} returns, so that what
         * is chosen, compiled and allocated for a size does not hold up the first request.
         */
        @CanIgnoreReturnValue
        public Builder warmUp(ImageSize... sizes) {
            this.warmUp = List.of(sizes);
            return this;
        }

        private List<Device> chosenDevices() {
            if (devices.isEmpty()) {
                return List.of(Devices.automatic());
            }
            devices.forEach(each -> Devices.require(each, "device " + each + " cannot be used"));
            return devices;
        }

        private Device chosenDevice() {
            return chosenDevices().get(0);
        }

        private Checkpoint open() {
            Checkpoint checkpoint = Checkpoint.open(folder(), variant);
            if (profile != null && !profile.modelKey().equals(ProfileFile.modelKey(checkpoint))) {
                throw new IllegalArgumentException(
                        "the profile was made for another model than %s: it says %s, but this model is %s; make one with zimage tune"
                                .formatted(folder(), profile.modelKey(), ProfileFile.modelKey(checkpoint)));
            }
            return checkpoint;
        }

        /** Sets where converted weights are kept, {@link ConversionCache#automatic} unless set. */
        @CanIgnoreReturnValue
        public Builder conversionCache(ConversionCache cache) {
            this.conversionCache = Objects.requireNonNull(cache, "conversionCache");
            return this;
        }

        /**
         * Sets where the weights of a component are. Those of components that are not placed are where the memory budget, or the
         * machine's memory, lets the pipeline be fastest.
         */
        @CanIgnoreReturnValue
        public Builder place(Component component, Placement placement) {
            placements.put(
                    Objects.requireNonNull(component, "component"), Objects.requireNonNull(placement, "placement"));
            return this;
        }

        /**
         * Sets how much memory the process may have while the pipeline draws: the Java heap, LibTorch, and all pages of files that
         * are mapped. Unless set, it is what the machine has available when the pipeline is built. Weights that do not fit are
         * read from the files again whenever they are needed.
         *
         * <p>If the pipeline computes on a graphics card, it is the card's memory that is meant, and beside planning LibTorch is told
         * not to take more. The machine's memory is taken to suffice.
         *
         * <p>On the CPU the budget is kept by planning, not by force. {@link ZImagePipeline#generateAll} refuses requests that would need more.
         */
        @CanIgnoreReturnValue
        public Builder memoryBudget(MemorySize budget) {
            this.memoryBudget = Objects.requireNonNull(budget, "memoryBudget");
            return this;
        }

        /**
         * Sets the request that needs the most memory of all that are to come, one picture of 1024 by 1024 pixels unless set: that
         * the memory is planned for. Only sizes and counts matter.
         */
        @CanIgnoreReturnValue
        public Builder planFor(GenerationRequest request) {
            this.plannedRequest = Objects.requireNonNull(request, "planFor");
            return this;
        }

        /**
         * Returns the plan by which {@link #build} would load the model. Reads the headers of the files, but no weights, and needs no
         * native libraries.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws IllegalArgumentException if a placement is impossible, or if the memory budget is too small; the message says what
         *     would do
         */
        public MemoryPlan plan() {
            return memory(open(), chosenDevice(), conversionCache).plan();
        }

        /**
         * Returns the plan for a graphics card that need not be there, as {@link #plan} does for the device at hand. Of the card's memory a twentieth is left to screen and driver; the CPU's memory is taken to suffice.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws IllegalArgumentException if a placement is impossible, or if the card is too small; the message says what would do
         */
        public MemoryPlan planForCard(MemorySize card) {
            Checkpoint checkpoint = open();
            Planner planner = planner(checkpoint, conversionCache);
            Plan plan = planner.plan(Machine.card(card.bytes()), plannedWork());
            Optional<Plan> recording = recording(planner, plan);
            return MemoryPlan.of(
                    checkpoint.name(),
                    planner.recording(recording.isPresent()).tryingConvolutions(recording.orElse(plan)));
        }

        /** Returns a planner for weights of which some are still to be converted by a cache. */
        private Planner planner(Checkpoint checkpoint, ConversionCache cache) {
            Map<Component, Precision> all = allPrecisions();
            return new Planner(
                    ModelLayout.of(checkpoint, all), placements, vaeTiling, cache.roundedInMemory(checkpoint, all));
        }

        private MemoryBudget memory(Checkpoint checkpoint, Device computing, ConversionCache cache) {
            requireUsable(computing);
            if (computing.kind() != Device.Kind.CPU) {
                return memoryOfCard(checkpoint, planner(checkpoint, ConversionCache.off()), computing);
            }
            Planner planner = planner(checkpoint, cache);
            if (memoryBudget != null) {
                Plan plan = planner.plan(Machine.cpu(memoryBudget.bytes()), plannedWork());
                return new MemoryBudget(checkpoint.name(), planner, plan, vaeTiling, maxPromptTokens, true);
            }
            long available = new MachineMemory(Path.of("/")).available().orElse(Long.MAX_VALUE);
            Plan plan = planner.planAnyway(Machine.cpu(available), plannedWork());
            return new MemoryBudget(checkpoint.name(), planner, plan, vaeTiling, maxPromptTokens, false);
        }

        private MemoryBudget memoryOfCard(Checkpoint checkpoint, Planner planner, Device computing) {
            long free = Devices.card(computing).freeBytes();
            Plan plan = memoryBudget == null
                    ? planner.planAnyway(Machine.card(computing, free), plannedWork())
                    : planner.plan(Machine.partOfCard(computing, Math.min(free, memoryBudget.bytes())), plannedWork());
            Optional<Plan> recording = recording(planner, plan);
            Planner chosen = planner.recording(recording.isPresent());
            return new MemoryBudget(
                    checkpoint.name(),
                    chosen,
                    memoryBudget == null ? chosen.tryingConvolutions(recording.orElse(plan)) : recording.orElse(plan),
                    vaeTiling,
                    maxPromptTokens,
                    memoryBudget != null);
        }

        /**
         * Returns a plan with room for recordings, if they are wanted. They read weights where they are, and do not gain what it costs to
         * let any weights go for them.
         */
        private Optional<Plan> recording(Planner planner, Plan without) {
            if (!compileTransformer) {
                return Optional.empty();
            }
            Plan plan = planner.recording(true).planAnyway(without.machine(), plannedWork());
            Residence transformer = plan.residences().get(Component.TRANSFORMER);
            boolean stays = transformer == null || transformer.equals(Residence.resident());
            return stays && plan.fits() && plan.moved() <= without.moved() ? Optional.of(plan) : Optional.empty();
        }

        /** Checks that all components can compute where they are placed, in their precision. */
        private void requireUsable(Device computing) {
            Map<Component, Precision> all = allPrecisions();
            for (Component component : Component.values()) {
                Device where = deviceOf(component, computing);
                if (!where.equals(computing)) {
                    Devices.require(
                            where,
                            "%s cannot be placed on %s"
                                    .formatted(component.folder().replace('_', ' '), where));
                }
                Precision wanted = Objects.requireNonNull(all.get(component));
                if (!Devices.has(where, wanted)) {
                    throw new IllegalArgumentException("%s cannot compute in %s on %s: use BF16 or FP32"
                            .formatted(component.folder().replace('_', ' '), wanted, where));
                }
            }
        }

        private Device deviceOf(Component component, Device computing) {
            Placement placement = placements.get(component);
            return placement != null && placement.kind() == Placement.Kind.ON
                    ? Objects.requireNonNull(placement.device())
                    : computing;
        }

        private Hardware hardware(Device computing, MemoryBudget memory) {
            Map<Component, Device> devices = new EnumMap<>(Component.class);
            Set<Component> inMemory = EnumSet.noneOf(Component.class);
            for (Component component : Component.values()) {
                devices.put(component, deviceOf(component, computing));
                Placement placement = placements.get(component);
                if (placement == null || placement.kind() != Placement.Kind.STREAMED) {
                    if (memory.mayWaitInMemory(component)) {
                        inMemory.add(component);
                    }
                } else if (placement.device() != null) {
                    inMemory.add(component);
                }
            }
            boolean limited = memoryBudget != null && computing.kind() != Device.Kind.CPU;
            return new Hardware(
                    computing,
                    devices,
                    inMemory,
                    limited ? OptionalLong.of(memory.tensorBytes()) : OptionalLong.empty(),
                    memory.triesConvolutions());
        }

        private Workload plannedWork() {
            return Workload.of(plannedRequest, maxPromptTokens);
        }

        /**
         * Sets how many threads compute, at most as many as the machine has processors; the thread that gives them their work is one of them.
         * Unset, it is what the environment variable {@code OMP_NUM_THREADS} says, or else one a core.
         *
         * @throws IllegalArgumentException unless between 1 and 1024
         */
        @CanIgnoreReturnValue
        public Builder threads(int threads) {
            if (threads < 1 || threads > 1024) {
                throw new IllegalArgumentException("threads must be between 1 and 1024, but was " + threads);
            }
            this.threads = threads;
            return this;
        }

        /**
         * Sets whether the pipeline closes itself when the JVM ends, true unless set. An application that ends in an order of its own, such
         * as a server that finishes what runs, must then close it before the JVM ends, or that may hang.
         */
        @CanIgnoreReturnValue
        public Builder closeAtShutdown(boolean closesAtShutdown) {
            this.closesAtShutdown = closesAtShutdown;
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
         * memory of their own until used; others are converted: on the disk, the first time, where the {@link #conversionCache} keeps
         * them, or else in memory, each time.
         *
         * @throws IllegalStateException if no model was set
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws NativeLibraryException if LibTorch is missing
         * @throws OutOfDeviceMemoryException if there is not enough memory
         * @throws GenerationCancelledException if the calling thread is interrupted
         * @throws IllegalArgumentException if there is no attention backend of the name that was set, if the profile is for another
         *     model, if a placement is impossible, or if the memory budget is too small
         * @throws ZImageException if a precision is {@link Precision#INT8} and the processor has no instructions for it
         * @throws IllegalArgumentException if a device that was asked for cannot be used; the message says why and what to do
         */
        public ZImagePipeline build() {
            long start = System.nanoTime();
            Devices.require(attention);
            List<Device> computing = chosenDevices();
            Checkpoint checkpoint = conversionCache.applied(open(), keptPrecisions(computing.get(0)), listener);
            List<Worker> workers = new ArrayList<>();
            try {
                for (Device each : computing) {
                    workers.add(worker(checkpoint, each, workers.isEmpty() ? listener : new GenerationListener() {}));
                }
                for (Worker worker : workers) {
                    DiffusionEngine engine = await(worker.loading());
                    logChoices(checkpoint, worker, engine, Duration.ofNanos(System.nanoTime() - start));
                    logCompilation(worker, engine);
                }
            } catch (RuntimeException | Error e) {
                workers.forEach(worker -> worker.loading().cancel(true));
                workers.forEach(Worker::close);
                throw e;
            }
            ZImagePipeline pipeline = new ZImagePipeline(
                    new RequestCheck(checkpoint, workers.get(0).promptTokens()), workers, closesAtShutdown);
            try {
                pipeline.warmUp(warmUp);
                return pipeline;
            } catch (RuntimeException | Error e) {
                pipeline.close();
                throw e;
            }
        }

        private Worker worker(Checkpoint checkpoint, Device computing, GenerationListener heard) {
            MemoryBudget memory = memory(checkpoint, computing, ConversionCache.off());
            memory.log();
            EngineOptions options = new EngineOptions(
                    allPrecisions(),
                    attention,
                    memory.tiling(),
                    memory.residences(),
                    hardware(computing, memory),
                    memory.recording(),
                    memory.limits(),
                    computing.kind() == Device.Kind.CPU && memory.fits());
            PromptTokens promptTokens = PromptTokens.load(checkpoint, maxPromptTokens, promptOverflow);
            try {
                NativeRuntime.load();
                return new Worker(checkpoint, promptTokens, options, memory, heard, this::setThreads);
            } catch (RuntimeException e) {
                promptTokens.close();
                throw e;
            }
        }

        /**
         * Converts the weights that are not stored as they are computed with, and keeps them in the {@link #conversionCache}, whatever
         * their size. Those that are there are read and compared with their checksums, and made anew if they are damaged. Blocks
         * meanwhile; the {@link #listener} hears how it gets on.
         *
         * @return the files with converted weights, none if all weights can be used as they are stored
         * @throws IllegalStateException if no model was set, or there is no cache
         * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
         * @throws ZImageException if the weights cannot be converted, such as for want of room
         * @throws GenerationCancelledException if the calling thread is interrupted
         */
        public List<Path> convert() {
            return conversionCache.fill(Checkpoint.open(folder(), variant), allPrecisions(), listener);
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
            Checkpoint checkpoint = open();
            Devices.require(attention);
            try (PromptTokens promptTokens = PromptTokens.load(checkpoint, maxPromptTokens, promptOverflow)) {
                new RequestCheck(checkpoint, promptTokens).check(request);
            }
            memory(checkpoint, chosenDevice(), conversionCache).check(request);
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

        /** OpenMP counts threads for each thread that starts some, so this must run on the device thread. */
        private void setThreads() {
            if (threads != null) {
                torch.set_num_threads(threads);
            }
        }

        private Path folder() {
            if (model == null) {
                throw new IllegalStateException("model must be set to the checkpoint's folder, but was not");
            }
            return model;
        }

        /** Returns what weights are converted to: cards make their 8-bit numbers of BF16. */
        private Map<Component, Precision> keptPrecisions(Device computing) {
            Map<Component, Precision> kept = allPrecisions();
            kept.replaceAll((component, precision) ->
                    precision.isEightBit() && deviceOf(component, computing).kind() != Device.Kind.CPU
                            ? Precision.BF16
                            : precision);
            return kept;
        }

        private Map<Component, Precision> allPrecisions() {
            Map<Component, Precision> all = new EnumMap<>(Component.class);
            for (Component component : Component.values()) {
                Precision otherwise = component == Component.VAE && precision.isEightBit() ? Precision.BF16 : precision;
                all.put(
                        component,
                        precisions.getOrDefault(component, profilePrecisions.getOrDefault(component, otherwise)));
            }
            return all;
        }

        private String described(Device device) {
            if (device.kind() != Device.Kind.CPU) {
                return "%s (%s)".formatted(device, Devices.card(device).name());
            }
            int used = threads == null ? torch.get_num_threads() : threads;
            return "the CPU with %d %s".formatted(used, used == 1 ? "thread" : "threads");
        }

        private void logCompilation(Worker worker, DiffusionEngine engine) {
            if (!compileTransformer) {
                return;
            }
            Device where = worker.options().hardware().device(Component.TRANSFORMER);
            if (engine.isCompiled()) {
                LOG.info("The transformer is compiled on {}: recorded for each size, and replayed", where);
            } else if (where.kind() == Device.Kind.CPU) {
                LOG.info("The transformer is not compiled: that is for graphics cards, and it computes on the CPU");
            } else {
                LOG.warn(
                        "The transformer is not compiled on {}: {}",
                        where,
                        worker.memory().recording()
                                ? "its work cannot be recorded there"
                                : "there is no room for recordings beside all weights (%s); leave the weights where the plan puts them, and draw smaller pictures or set a larger memory budget"
                                        .formatted(worker.memory().summary()));
            }
        }

        private void logChoices(Checkpoint checkpoint, Worker worker, DiffusionEngine engine, Duration elapsed) {
            EngineOptions options = worker.options();
            LOG.info(
                    "Using {} attention backend on {}; text encoder {}, transformer {}, VAE {}; {}; loaded {} in {} s",
                    engine.attentionName(),
                    described(options.hardware().device(Component.TRANSFORMER)),
                    options.precision(Component.TEXT_ENCODER),
                    options.precision(Component.TRANSFORMER),
                    options.precision(Component.VAE),
                    worker.memory().summary(),
                    checkpoint.name(),
                    "%.1f".formatted(elapsed.toMillis() / 1000.0));
        }
    }
}
