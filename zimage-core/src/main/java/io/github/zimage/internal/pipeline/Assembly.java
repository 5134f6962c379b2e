package io.github.zimage.internal.pipeline;

import io.github.zimage.Component;
import io.github.zimage.ConversionCache;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.conversion.ConvertedCheck;
import io.github.zimage.internal.conversion.WeightConversion;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.LoadedModel;
import io.github.zimage.internal.generation.RequestCheck;
import io.github.zimage.internal.lora.LoraCatalog;
import io.github.zimage.internal.lora.ModelShapes;
import io.github.zimage.internal.placement.ComponentSettings;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.text.PromptLimit;
import io.github.zimage.internal.text.PromptTokens;
import io.github.zimage.internal.tuning.ModelKey;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.ControlNetFile;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.tuning.Profile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes the workers of a pipeline from its settings, and tells before that what they would be. */
public final class Assembly {
    private static final Logger LOG = LoggerFactory.getLogger(Assembly.class);

    private final OpenModel model;
    private final Checkpoint checkpoint;
    private final PipelineSettings settings;
    private final LoraCatalog loras;

    /**
     * Prepares a pipeline. Of a ControlNet, the headers are read.
     *
     * @throws io.github.zimage.ModelLoadException if the ControlNet is missing, damaged, or does not fit the model
     * @throws IllegalArgumentException if the settings come from a profile for another model
     */
    public Assembly(OpenModel model, PipelineSettings settings) {
        requireProfiled(model.checkpoint(), settings.profile());
        this.model = model;
        Path controlNet = settings.controlNet();
        Checkpoint opened = controlNet == null
                ? model.checkpoint()
                : model.checkpoint().withControlNet(ControlNetFile.open(controlNet));
        this.checkpoint = settings.readWeights() ? opened.read() : opened;
        this.settings = settings;
        this.loras = new LoraCatalog(
                ModelShapes.of(checkpoint.transformer(), checkpoint.textEncoder()),
                ComponentSettings.of(settings.precisions(), Component.TRANSFORMER),
                settings.loras().always(),
                settings.loras().folder());
    }

    private static void requireProfiled(Checkpoint checkpoint, @Nullable Profile profile) {
        if (profile == null) {
            return;
        }
        String key = ModelKey.of(checkpoint);
        if (!profile.modelKey().equals(key)) {
            throw new IllegalArgumentException(
                    "the profile was made for another model than %s: it says %s, but this model is %s; make one with zimage tune"
                            .formatted(checkpoint.name(), profile.modelKey(), key));
        }
    }

    /** Returns the plan by which the model would be loaded. */
    public MemoryPlan plan() {
        return planning().memory(devices().get(0)).plan();
    }

    /** Returns the plan for a graphics card that need not be there. */
    public MemoryPlan planForCard(MemorySize card) {
        return planning().planForCard(card);
    }

    /** Converts the weights that are not stored as they are computed with, and returns the files. */
    public List<Path> convert() {
        model.requireUnchanged();
        return conversion().fill(checkpoint, settings.precisions(), settings.listener());
    }

    /** Checks a request against the model, without loading it. */
    public void check(GenerationRequest request) {
        Devices.require(settings.attention());
        requestCheck().check(request);
        planning().memory(devices().get(0)).check(request);
    }

    /** Loads the model onto each device. Blocks until that is done. */
    public Workers load(ImageMaker images) {
        long start = System.nanoTime();
        Devices.require(settings.attention());
        loras.requireAlways();
        List<Device> computing = devices();
        model.requireUnchanged();
        PromptTokens tokens = model.tokens().retain();
        List<Worker> workers = new ArrayList<>();
        try {
            Checkpoint kept = conversion().apply(checkpoint, keptPrecisions(computing.get(0)), settings.listener());
            warnOfThreads();
            for (Device each : computing) {
                GenerationListener heard = workers.isEmpty() ? settings.listener() : new GenerationListener() {};
                workers.add(worker(kept, each, images, heard));
            }
            for (Worker worker : workers) {
                LoadedModel engine = DeviceThread.await(worker.loading());
                logChoices(worker, engine, Duration.ofNanos(System.nanoTime() - start));
                logCompilation(worker, engine);
            }
            return new Workers(workers, tokens, ConvertedCheck.start(checkpoint, kept));
        } catch (RuntimeException | Error e) {
            workers.forEach(worker -> worker.loading().cancel(true));
            workers.forEach(Worker::close);
            tokens.close();
            throw e;
        }
    }

    private Worker worker(Checkpoint kept, Device computing, ImageMaker images, GenerationListener heard) {
        Planning planning = new Planning(kept, settings, ConversionCache.off());
        PlanKeeper memory = planning.memory(computing);
        memory.log();
        EngineOptions options = new EngineOptions(
                settings.precisions(),
                settings.attention(),
                memory.tiling(),
                memory.residences(),
                planning.hardware(computing, memory),
                memory.recording(),
                memory.limits(),
                computing.kind() == Device.Kind.CPU && memory.fits());
        NativeRuntime.load();
        return new Worker(kept, options, memory, images, heard, this::setThreads);
    }

    /** Returns what checks requests. It works as long as the model is open, or the workers that were loaded from it. */
    public RequestCheck requestCheck() {
        return new RequestCheck(
                checkpoint,
                new PromptLimit(model.tokens(), settings.maxPromptTokens(), settings.truncatePrompts()),
                loras,
                settings.profile() == null ? StepCache.OFF : settings.profile().stepCache());
    }

    private Planning planning() {
        return new Planning(checkpoint, settings, settings.conversionCache());
    }

    private WeightConversion conversion() {
        return new WeightConversion(settings.conversionCache());
    }

    private List<Device> devices() {
        if (settings.devices().isEmpty()) {
            return List.of(Devices.automatic());
        }
        settings.devices().forEach(each -> Devices.require(each, "device " + each + " cannot be used"));
        return settings.devices();
    }

    /** Returns what weights are converted to: cards make their 8-bit numbers of BF16. */
    private Map<Component, Precision> keptPrecisions(Device computing) {
        Map<Component, Precision> kept = new HashMap<>(settings.precisions());
        kept.replaceAll((component, precision) -> precision.isEightBit()
                        && settings.deviceOf(component, computing).kind() != Device.Kind.CPU
                ? Precision.BF16
                : precision);
        return kept;
    }

    /** OpenMP counts threads for each thread that starts some, so this must run on the device thread. */
    private void setThreads() {
        torch.set_num_threads(threads());
    }

    private int threads() {
        return NativeRuntime.threads(settings.threads());
    }

    private void warnOfThreads() {
        Integer wanted = settings.threads();
        if (wanted != null && wanted > threads()) {
            LOG.warn(
                    "{} threads are more than four for each processor that this process may use: {} compute",
                    wanted,
                    threads());
        }
    }

    private void logChoices(Worker worker, LoadedModel engine, Duration elapsed) {
        EngineOptions options = worker.options();
        LOG.info(
                "Using {} attention backend on {}; text encoder {}, transformer {}, VAE {}; {}; loaded {} in {} s",
                engine.attentionName(),
                described(options.hardware().device(Component.TRANSFORMER)),
                options.precision(Component.TEXT_ENCODER),
                options.precision(Component.TRANSFORMER),
                options.precision(Component.VAE),
                worker.plan().summary(),
                checkpoint.name(),
                "%.1f".formatted(elapsed.toMillis() / 1000.0));
    }

    private String described(Device device) {
        if (device.kind() != Device.Kind.CPU) {
            return "%s (%s)".formatted(device, Devices.card(device).name());
        }
        int used = threads();
        return "the CPU with %d %s".formatted(used, used == 1 ? "thread" : "threads");
    }

    private void logCompilation(Worker worker, LoadedModel engine) {
        if (!settings.compileTransformer()) {
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
                    worker.plan().recording()
                            ? "its work cannot be recorded there"
                            : "there is no room for recordings beside all weights (%s); leave the weights where the plan puts them, and draw smaller pictures or set a larger memory budget"
                                    .formatted(worker.plan().summary()));
        }
    }
}
