package io.github.zimage;

import io.github.zimage.internal.generation.DrawnImage;
import io.github.zimage.internal.generation.Order;
import io.github.zimage.internal.generation.RequestCheck;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.pipeline.Assembly;
import io.github.zimage.internal.pipeline.Workers;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.placement.MemoryPlan;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
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

    private final Workers workers;
    private final RequestCheck requests;
    private final @Nullable Thread shutdownHook;

    private ZImagePipeline(Workers workers, RequestCheck requests, boolean closesAtShutdown) {
        this.workers = workers;
        this.requests = requests;
        this.shutdownHook = closesAtShutdown ? closeAtShutdown(new WeakReference<>(this)) : null;
    }

    /** Loads what a builder asked for. */
    static ZImagePipeline load(Assembly assembly, List<ImageSize> warmUp, boolean closesAtShutdown) {
        Workers workers = assembly.load(ZImagePipeline::image);
        ZImagePipeline pipeline = new ZImagePipeline(workers, assembly.requestCheck(), closesAtShutdown);
        try {
            pipeline.warmUp(warmUp);
            return pipeline;
        } catch (RuntimeException | Error e) {
            pipeline.close();
            throw e;
        }
    }

    private static GeneratedImage image(DrawnImage drawn, ImageParameters parameters) {
        return new GeneratedImage(
                drawn.width(), drawn.height(), drawn.rgb(), drawn.latents(), parameters, drawn.timings());
    }

    /** Returns a builder with the defaults. */
    public static PipelineBuilder builder() {
        return new PipelineBuilder();
    }

    /**
     * Draws one picture of 1024 by 1024 pixels in 8 steps. Blocks until it is done.
     *
     * @throws PromptTooLongException if the prompt has too many tokens
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
        if (Given.value(request, "request").totalCount() != 1) {
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
     * @throws InvalidRequestException if the request does not suit the model; the message says why
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public List<GeneratedImage> generateAll(GenerationRequest request, GenerationListener listener) {
        workers.requireOtherThread();
        return DeviceThread.await(generateAsync(request, listener));
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
     * @throws InvalidRequestException if the request does not suit the model
     * @throws ModelLoadException if tokenizer and text encoder do not belong together
     * @throws IllegalStateException if the pipeline is closed or 1024 requests wait
     */
    public CompletableFuture<List<GeneratedImage>> generateAsync(
            GenerationRequest request, GenerationListener listener) {
        Given.value(listener, "listener");
        return workers.draw(order(request), listener);
    }

    /**
     * Checks a request as {@link #generateAsync} does, and queues nothing.
     *
     * @throws InvalidRequestException if the request does not suit the model
     * @throws ModelLoadException if tokenizer and text encoder do not belong together
     * @throws IllegalStateException if the pipeline is closed
     */
    public void check(GenerationRequest request) {
        workers.requireOpen();
        requests.check(Given.value(request, "request"));
        workers.checkMemory(request);
    }

    private Order order(GenerationRequest request) {
        workers.requireOpen();
        Order order = requests.order(Given.value(request, "request"));
        workers.checkMemory(order.request());
        return order;
    }

    /**
     * Frees what is kept only to be used again: remembered prompts, and memory that the system's allocator holds back. Blocks until the
     * generations before it are done.
     *
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public void trim() {
        workers.requireOpen();
        workers.requireOtherThread();
        workers.trim();
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
        workers.requireOpen();
        workers.requireOtherThread();
        return workers.shrink();
    }

    /**
     * Turns a prompt into embeddings, which can be given to any number of requests. Blocks until it is done.
     *
     * @throws PromptTooLongException if the prompt has too many tokens
     * @throws GenerationCancelledException if the calling thread is interrupted or the pipeline closed meanwhile
     * @throws IllegalStateException if the pipeline is closed, if 1024 requests wait, or if called by a listener
     */
    public PromptEmbeddings encode(String prompt) {
        Given.value(prompt, "prompt");
        workers.requireOpen();
        workers.requireOtherThread();
        return workers.encode(requests.tokens(prompt));
    }

    /** Returns where the weights are and what the request that the pipeline was planned for needs; see {@link PipelineBuilder#planFor}. */
    public MemoryPlan plan() {
        return workers.plan();
    }

    /** Returns what another request would need with the weights where they are. */
    public MemoryPlan plan(GenerationRequest request) {
        return workers.plan(Given.value(request, "request"));
    }

    /**
     * Returns what the latest generation that finished really had in memory, to be compared with {@link #plan(GenerationRequest)}:
     * on the CPU the whole process's, other pipelines included, looked at some fifty times a second; on a graphics card what
     * LibTorch's allocator held of it, and the 740 MiB that the plan counts for driver and libraries, which are not looked at. Nothing
     * before the first generation, and nothing where the system does not tell, which for the CPU only Linux does.
     */
    public Optional<MemoryPlan.Peaks> measuredPeaks() {
        return workers.measuredPeaks();
    }

    /** Draws a picture of each size on each device. */
    private void warmUp(List<ImageSize> sizes) {
        for (ImageSize size : sizes) {
            GenerationRequest request = GenerationRequest.builder()
                    .prompt("")
                    .size(size)
                    .steps(workers.isCompiled() ? 2 : 1)
                    .seed(0)
                    .build();
            workers.warmUp(order(request));
        }
    }

    /** Returns the name of the attention backend in use, which for {@link AttentionBackend#AUTO} is the one that was chosen. */
    public String attentionBackend() {
        return workers.attentionBackend();
    }

    /**
     * Ends what runs and waits, with {@link GenerationCancelledException}, and frees the weights. Blocks until that is done, at most
     * for about a step. Further calls do nothing.
     */
    @Override
    public void close() {
        workers.close();
        removeShutdownHook();
    }

    /**
     * As {@link #close()}, but waits no longer than a limit, for those who have to end whatever a device does. What is not freed then is
     * freed when the device is done with its step; waiting can be gone on with by another call.
     *
     * @return whether all is freed; false, too, if the calling thread is interrupted
     */
    public boolean close(Duration limit) {
        boolean freed = workers.close(Given.value(limit, "limit"));
        removeShutdownHook();
        return freed;
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
}
