package io.github.zimage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.pipeline.Assembly;
import io.github.zimage.internal.pipeline.LoraChoice;
import io.github.zimage.internal.pipeline.ModelSource;
import io.github.zimage.internal.pipeline.PipelineSettings;
import io.github.zimage.internal.pipeline.PrecisionChoice;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import io.github.zimage.tuning.Profile;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Collects how a pipeline shall be, and loads it. Not thread-safe. */
public final class PipelineBuilder {
    private final ModelSource model = new ModelSource();
    private final PrecisionChoice precisions = new PrecisionChoice();
    private AttentionBackend attention = AttentionBackend.AUTO;
    private VaeTiling vaeTiling = VaeTiling.auto();
    private int maxPromptTokens = 512;
    private boolean truncatePrompts;
    private ConversionCache conversionCache = ConversionCache.automatic();
    private @Nullable Profile profile;
    private GenerationListener listener = new GenerationListener() {};
    private final Map<Component, Placement> placements = new HashMap<>();
    private final LoraChoice loras = new LoraChoice();
    private List<Device> devices = List.of();
    private List<ImageSize> warmUp = List.of();
    private boolean compileTransformer;
    private boolean readWeights;
    private @Nullable MemorySize memoryBudget;
    private @Nullable Integer threads;
    private boolean closesAtShutdown = true;
    private GenerationRequest plannedRequest =
            GenerationRequest.builder().prompt("").build();

    PipelineBuilder() {}

    /** Sets the checkpoint: a folder in the layout of diffusers, or a file with the transformer, see {@link ZImageModel.Files}. This or an open model is required. It is opened and checked for each of {@link #build}, {@link #plan}, {@link #convert} and {@link #check}. */
    @CanIgnoreReturnValue
    public PipelineBuilder model(Path place) {
        model.set(Given.value(place, "model"));
        return this;
    }

    /** Sets a file or folder that the text encoder lies in, for a model whose own place has none or another. */
    @CanIgnoreReturnValue
    public PipelineBuilder textEncoder(Path place) {
        model.set(Component.TEXT_ENCODER, Given.value(place, "textEncoder"));
        return this;
    }

    /** As {@link #textEncoder}, for the VAE. */
    @CanIgnoreReturnValue
    public PipelineBuilder vae(Path place) {
        model.set(Component.VAE, Given.value(place, "vae"));
        return this;
    }

    /** As {@link #textEncoder}, for the tokenizer: a {@code tokenizer.json}, or a folder with one. */
    @CanIgnoreReturnValue
    public PipelineBuilder tokenizer(Path place) {
        model.setTokenizer(Given.value(place, "tokenizer"));
        return this;
    }

    /** As {@link #model(Path)}, for one that is open, so that it is opened once. It stays the caller's. */
    @CanIgnoreReturnValue
    public PipelineBuilder model(ZImageModel opened) {
        model.set(Given.value(opened, "model").opened());
        return this;
    }

    /** Sets the precision of all components that have none of their own, {@link Precision#BF16} unless set. With one of 8 bits the VAE has {@link Precision#BF16}. */
    @CanIgnoreReturnValue
    public PipelineBuilder precision(Precision precision) {
        precisions.setAll(Given.value(precision, "precision"));
        return this;
    }

    /**
     * Sets the precision of one component. {@link Precision#FP32} for the VAE costs time and smooths faint bands.
     *
     * @throws IllegalArgumentException for the VAE and a precision of 8 bits
     */
    @CanIgnoreReturnValue
    public PipelineBuilder precision(Component component, Precision precision) {
        precisions.set(Given.value(component, "component"), Given.value(precision, "precision"));
        return this;
    }

    /** Sets how attention is computed, {@link AttentionBackend#AUTO} unless set. */
    @CanIgnoreReturnValue
    public PipelineBuilder attention(AttentionBackend backend) {
        this.attention = Given.value(backend, "attention");
        return this;
    }

    /** Sets whether pictures are decoded in tiles, {@link VaeTiling#auto} unless set: in tiles then if the plan for the memory says so, or if a whole picture would take more than half of the memory that is available when it is decoded, which is known on Linux only. */
    @CanIgnoreReturnValue
    public PipelineBuilder vaeTiling(VaeTiling tiling) {
        this.vaeTiling = Given.value(tiling, "vaeTiling");
        return this;
    }

    /**
     * Sets how many tokens a prompt may have, 512 unless set: the model was trained up to that. The chat template takes 8.
     *
     * @throws IllegalArgumentException unless between 16 and 4096
     */
    @CanIgnoreReturnValue
    public PipelineBuilder maxPromptTokens(int tokens) {
        if (tokens < 16 || tokens > 4096) {
            throw new IllegalArgumentException("maxPromptTokens must be between 16 and 4096, but was " + tokens);
        }
        this.maxPromptTokens = tokens;
        return this;
    }

    /** Sets whether a longer prompt is cut off, with a warning in the log, and not refused, as it is unless set, and over 65,536 characters always. */
    @CanIgnoreReturnValue
    public PipelineBuilder truncatePrompts(boolean truncate) {
        this.truncatePrompts = truncate;
        return this;
    }

    /** Adds a LoRA, at its weight, that all requests have which name none of their own. Its file is read when the pipeline is built. */
    @CanIgnoreReturnValue
    public PipelineBuilder lora(Lora lora) {
        loras.add(Given.value(lora, "lora"));
        return this;
    }

    /** Sets the folder in which {@linkplain Lora#named LoRAs} are looked for by their names. Unless set there is none. */
    @CanIgnoreReturnValue
    public PipelineBuilder loraFolder(Path folder) {
        loras.setFolder(Given.value(folder, "loraFolder"));
        return this;
    }

    /** Sets a ControlNet of Z-Image, a safetensors file or a folder of diffusers, for requests with {@linkplain GenerationRequest#controls pictures to follow}; memory is planned for one. */
    @CanIgnoreReturnValue
    public PipelineBuilder controlNet(Path fileOrFolder) {
        model.setControlNet(Given.value(fileOrFolder, "controlNet"));
        return this;
    }

    /** Prefers weight files of a variant, such as {@code bf16} for {@code model.bf16.safetensors}, in a folder. */
    @CanIgnoreReturnValue
    public PipelineBuilder variant(String variant) {
        model.setVariant(Given.value(variant, "variant"));
        return this;
    }

    /**
     * Reads a file that {@code zimage tune} wrote and sets what is in it: the precision of each component, the attention backend, and
     * the step cache of requests that name none and can have it. What is set afterwards takes the place of that.
     *
     * @throws IllegalArgumentException if the file is missing or not a profile
     */
    @CanIgnoreReturnValue
    public PipelineBuilder profile(Path file) {
        return profile(Profile.read(file));
    }

    /** As {@link #profile(Path)}, for one that has been read. */
    @CanIgnoreReturnValue
    public PipelineBuilder profile(Profile profile) {
        this.profile = Given.value(profile, "profile");
        precisions.setProfile(profile.precisions());
        attention = profile.attention();
        return this;
    }

    /** Sets what computes all components that are not {@linkplain #place placed} elsewhere. Unless set, it is the first graphics card that can be used, if the module for it, {@code zimage-cuda}, is there; or else the CPU. */
    @CanIgnoreReturnValue
    public PipelineBuilder device(Device device) {
        return devices(List.of(Given.value(device, "device")));
    }

    /**
     * Sets several devices, each of which gets the whole model: a request goes to one that has nothing to do, and the pictures of a request are shared
     * out among those, each drawn as it would be on one device. All are planned for alike, and a memory budget is for each.
     *
     * @throws IllegalArgumentException if there is none, or one is there twice
     */
    @CanIgnoreReturnValue
    public PipelineBuilder devices(List<Device> devices) {
        if (Given.list(devices, "devices").isEmpty() || new HashSet<>(devices).size() < devices.size()) {
            throw new IllegalArgumentException("devices must be one or more, each once, but were " + devices);
        }
        this.devices = List.copyOf(devices);
        return this;
    }

    /**
     * Sets whether the transformer's work is recorded and replayed, false unless set: on an NVIDIA card as a CUDA graph, so that the processor orders
     * a step by one call in place of a thousand. The pictures are the same. What is recorded is for a size and a length of the prompt, in steps of 32
     * tokens, the second time that they come; the eight used last are kept until {@link ZImagePipeline#trim}.
     *
     * <p>Where it cannot be, all goes on as without, and the log says why: on the CPU, where ordering takes no time to speak of; on a card without room
     * for all weights and the recordings; if LibTorch, the driver or an attention backend refuses. When memory runs out, recordings are the first to go.
     */
    @CanIgnoreReturnValue
    public PipelineBuilder compileTransformer(boolean compile) {
        this.compileTransformer = compile;
        return this;
    }

    /** Draws a picture of each size, in one step or, if the transformer is compiled, two, before {@link #build} returns, so that what is chosen, compiled and allocated for a size does not hold up the first request. */
    @CanIgnoreReturnValue
    public PipelineBuilder warmUp(ImageSize... sizes) {
        this.warmUp = Given.list(Arrays.asList(Given.value(sizes, "sizes")), "sizes");
        return this;
    }

    /**
     * Sets whether weights are read into memory of their own instead of being mapped from their files, false unless set. A page of a mapped file that
     * cannot be read ends the process; a file that cannot be read ends in a {@link ModelLoadException}. Files on another machine, or served by a program
     * (NFS, SMB, FUSE and the like), are always read; set this where a disk cannot be trusted, or other programs may cut files short. Loading takes
     * longer, and memory that a mapping shares with other processes is not shared.
     */
    @CanIgnoreReturnValue
    public PipelineBuilder readWeights(boolean read) {
        this.readWeights = read;
        return this;
    }

    /** Sets where converted weights are kept, {@link ConversionCache#automatic} unless set. */
    @CanIgnoreReturnValue
    public PipelineBuilder conversionCache(ConversionCache cache) {
        this.conversionCache = Given.value(cache, "conversionCache");
        return this;
    }

    /** Sets where the weights of a component are. Those of components that are not placed are where the memory budget, or the machine's memory, lets the pipeline be fastest. */
    @CanIgnoreReturnValue
    public PipelineBuilder place(Component component, Placement placement) {
        placements.put(Given.value(component, "component"), Given.value(placement, "placement"));
        return this;
    }

    /**
     * Sets how much memory the process may have while the pipeline draws: the Java heap, LibTorch, and all pages of files that are mapped. Unless set,
     * it is what the machine has available when the pipeline is built. Weights that do not fit are read from the files again whenever they are needed.
     *
     * <p>If the pipeline computes on a graphics card, it is the card's memory that is meant, and beside planning LibTorch is told not to take more. The machine's memory is taken to suffice.
     *
     * <p>On the CPU the budget is kept by planning, not by force. {@link ZImagePipeline#generateAll} refuses requests that would need more.
     */
    @CanIgnoreReturnValue
    public PipelineBuilder memoryBudget(MemorySize budget) {
        this.memoryBudget = Given.value(budget, "memoryBudget");
        return this;
    }

    /** Sets the request that needs the most memory of all that are to come, one picture of 1024 by 1024 pixels unless set: that the memory is planned for. Only sizes and counts matter. */
    @CanIgnoreReturnValue
    public PipelineBuilder planFor(GenerationRequest request) {
        this.plannedRequest = Given.value(request, "planFor");
        return this;
    }

    /**
     * Sets how many threads compute, at best one a processor; more than four a processor do not. The one that gives them work is one of them.
     * Unset, it is what the environment variable {@code OMP_NUM_THREADS} says, or else one a core, as far as affinity and control groups let this process use them.
     *
     * @throws IllegalArgumentException unless between 1 and 1024
     */
    @CanIgnoreReturnValue
    public PipelineBuilder threads(int threads) {
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads must be between 1 and 1024, but was " + threads);
        }
        this.threads = threads;
        return this;
    }

    /** Sets whether the pipeline closes itself when the JVM ends, true unless set. An application that ends in an order of its own, such as a server that finishes what runs, must then close it before the JVM ends, or that may hang. */
    @CanIgnoreReturnValue
    public PipelineBuilder closeAtShutdown(boolean closesAtShutdown) {
        this.closesAtShutdown = closesAtShutdown;
        return this;
    }

    /** Sets who hears how loading gets on. */
    @CanIgnoreReturnValue
    public PipelineBuilder listener(GenerationListener listener) {
        this.listener = Given.value(listener, "listener");
        return this;
    }

    /**
     * Loads the model. Blocks meanwhile. Weights that are stored in the precision they are computed in are mapped and take no memory of their own until used;
     * others are converted: on the disk, the first time, where the {@link #conversionCache} keeps them, or else in memory, each time.
     *
     * @throws IllegalStateException if no model was set
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws NativeLibraryException if LibTorch is missing
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws GenerationCancelledException if the calling thread is interrupted
     * @throws IllegalArgumentException if there is no attention backend of the name that was set, if the profile is for another model, if a placement is impossible, or if the memory budget is too small
     * @throws ZImageException if a precision is {@link Precision#INT8} and the processor has no instructions for it
     * @throws IllegalArgumentException if a device that was asked for cannot be used; the message says why and what to do
     */
    public ZImagePipeline build() {
        return assembled(assembly -> ZImagePipeline.load(assembly, warmUp, closesAtShutdown));
    }

    /**
     * Returns the plan by which {@link #build} would load the model. Reads the headers of the files, but no weights, and needs no
     * native libraries.
     *
     * @throws IllegalStateException if no model was set
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws IllegalArgumentException if a placement is impossible, or if the memory budget is too small; the message says what would do
     */
    public MemoryPlan plan() {
        return assembled(Assembly::plan);
    }

    /**
     * Returns the plan for a graphics card that need not be there, as {@link #plan} does for the device at hand. Of the card's memory a twentieth is left to screen and driver; the CPU's memory is taken to suffice.
     *
     * @throws IllegalStateException if no model was set
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws IllegalArgumentException if a placement is impossible, or if the card is too small; the message says what would do
     */
    public MemoryPlan planForCard(MemorySize card) {
        return assembled(assembly -> assembly.planForCard(card));
    }

    /**
     * Converts the weights that are not stored as they are computed with, and keeps them in the {@link #conversionCache}, whatever their size. Those that
     * are there are compared with their checksums, and made anew if they are damaged. Blocks; the {@link #listener} hears how it gets on.
     *
     * @return the files with converted weights, none if all weights can be used as they are stored
     * @throws IllegalStateException if no model was set, or there is no cache
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws IllegalArgumentException if the profile is for another model
     * @throws ZImageException if the weights cannot be converted, such as for want of room
     * @throws GenerationCancelledException if the calling thread is interrupted
     */
    public List<Path> convert() {
        return assembled(Assembly::convert);
    }

    /**
     * Checks a request against the model without loading weights or native libraries of LibTorch: what {@link #build} and {@link ZImagePipeline#generateAll} would refuse.
     *
     * @throws IllegalStateException if no model was set
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws IllegalArgumentException if the request does not suit the model, or there is no attention backend of the name that was set
     */
    public void check(GenerationRequest request) {
        assembled(assembly -> {
            assembly.check(request);
            return assembly;
        });
    }

    private <T> T assembled(Function<Assembly, T> task) {
        return model.use(open -> task.apply(new Assembly(open, settings())));
    }

    private PipelineSettings settings() {
        return new PipelineSettings(
                profile,
                precisions.resolved(),
                attention,
                vaeTiling,
                maxPromptTokens,
                truncatePrompts,
                conversionCache,
                placements,
                devices,
                compileTransformer,
                readWeights,
                memoryBudget,
                threads,
                plannedRequest,
                loras.copy(),
                model.controlNet(),
                listener);
    }
}
