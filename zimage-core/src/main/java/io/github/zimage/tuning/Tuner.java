package io.github.zimage.tuning;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.AttentionBackend;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.ModelInfo;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImageException;
import io.github.zimage.ZImageModel;
import io.github.zimage.internal.placement.MachineMemory;
import io.github.zimage.internal.system.AllowedProcessors;
import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import io.github.zimage.tuning.TuningResult.Measurement;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Finds the settings that draw a model's pictures fastest on this machine, without a loss that can be seen: draws one picture in every
 * precision, and then in the best of them with every attention backend of the CPU. Where there are enough steps for that, step caches are measured in what was best.
 *
 * <pre>{@code
 * Tuner tuner = Tuner.builder().model(Path.of("Z-Image-Turbo")).size(ImageSize.square(1024)).build();
 * tuner.tune().profile().write(Path.of("turbo.json"));
 * }</pre>
 *
 * <p>Nothing else should compute meanwhile; {@link TuningResult#disturbance} says whether something did. The default listener of a pipeline, its conversion cache and its threads are as
 * {@link Builder#settings} leaves them. Instances are immutable and can be shared.
 */
public final class Tuner {
    private static final String PROMPT = "a red fox in the snow, early morning light";

    /** How much of the memory that can be had FP32 may take to be tried: the activations need some, too. */
    private static final double MEMORY_SHARE = 0.8;

    private final ZImageModel.Files files;
    private final GenerationRequest request;
    private final Consumer<PipelineBuilder> settings;
    private final TuningListener listener;
    private final GenerationListener pictureListener;

    private Tuner(Builder builder) {
        ZImageModel.Files model = Objects.requireNonNull(builder.model, "model must be set");
        files = builder.variant == null ? model : model.variant(builder.variant);
        request = GenerationRequest.builder()
                .prompt(PROMPT)
                .size(builder.size.width(), builder.size.height())
                .steps(builder.steps)
                .guidance(builder.guidance)
                .sampling(sampling -> sampling.withStepCache(StepCache.OFF))
                .seed(1)
                .build();
        settings = builder.settings;
        listener = builder.listener;
        pictureListener = builder.pictureListener;
    }

    /** Returns a builder without a model, for pictures of 512 x 512 pixels in 8 steps. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Measures all candidates. Blocks for as long as a few pictures of each take, minutes with a full-size model; when its thread is
     * interrupted it ends at the next step.
     *
     * @throws IllegalArgumentException if the model cannot draw pictures of this size
     * @throws ModelLoadException if the checkpoint is missing, damaged or not supported
     * @throws OutOfDeviceMemoryException if no candidate had enough memory
     * @throws GenerationCancelledException if the thread was interrupted
     */
    public TuningResult tune() {
        try (ZImageModel model = files.open()) {
            return tune(model);
        }
    }

    private TuningResult tune(ZImageModel model) {
        pipeline(model).check(request);
        Session session = new Session(model);
        precisions(model).forEach(precision -> session.measure(precision, AttentionBackend.AUTO));
        Measurement best = session.result().best();
        for (AttentionBackend backend :
                List.of(AttentionBackend.BLOCKWISE, AttentionBackend.SDPA, AttentionBackend.FLASH)) {
            if (!backend.equals(best.attention())) {
                session.measure(best.precision(), backend);
            }
        }
        if (request.steps() >= StepCache.LEAST_STEPS) {
            session.measureCaches();
        }
        return session.result();
    }

    private PipelineBuilder pipeline(ZImageModel model) {
        PipelineBuilder builder = model.pipeline();
        settings.accept(builder);
        return builder.planFor(request);
    }

    /** Returns the number formats to try, the most precise first. */
    private List<Precision> precisions(ZImageModel model) {
        long parameters = model.info().parts().stream()
                .mapToLong(ModelInfo.Part::parameters)
                .sum();
        List<Precision> precisions = new ArrayList<>(List.of(Precision.FP32, Precision.BF16, Precision.INT8));
        long memory = MachineMemory.ofThisMachine().available().orElse(Long.MAX_VALUE);
        if (parameters * Precision.FP32.bytes() > MEMORY_SHARE * memory) {
            precisions.remove(Precision.FP32);
            listener.onLeftOut(Precision.FP32, AttentionBackend.AUTO, "its weights do not fit into memory");
        }
        return precisions;
    }

    /** The candidates of one call, as far as they are measured. */
    private final class Session {
        private final ZImageModel model;
        private final List<CandidateRun> runs = new ArrayList<>();
        private final List<TuningResult.CacheMeasurement> caches = new ArrayList<>();
        private final ProcessorWatch watch =
                ProcessorWatch.start(new AllowedProcessors(SystemFiles.ofThisMachine()).count());

        Session(ZImageModel model) {
            this.model = model;
        }

        TuningResult result() {
            if (runs.isEmpty()) {
                throw new OutOfDeviceMemoryException("no setting had enough memory for a picture of this size");
            }
            byte[] reference = runs.get(0).rgb();
            return new TuningResult(
                    model.profileKey(),
                    request.steps(),
                    runs.stream().map(run -> run.measurement(reference)).toList(),
                    caches,
                    disturbance());
        }

        void measureCaches() {
            Measurement best = result().best();
            PipelineBuilder builder =
                    pipeline(model).attention(best.attention()).listener(pictureListener);
            TuningResult.formats(best.precision()).forEach(builder::precision);
            caches.addAll(StepCacheTrial.of(builder, request, listener, pictureListener));
        }

        private String disturbance() {
            ProcessorWatch.Others others = watch.seen();
            return others.disturb() ? others.toString() : "";
        }

        /** Measures a candidate, unless it takes far longer than the best so far or does not run here. */
        void measure(Precision precision, AttentionBackend backend) {
            listener.onCandidate(precision, backend);
            Duration patience = CandidateRun.patience(runs);
            PipelineBuilder builder = pipeline(model).attention(backend).listener(pictureListener);
            TuningResult.formats(precision).forEach(builder::precision);
            try {
                CandidateRun run =
                        CandidateRun.of(builder, precision, request, patience, listener::onPicture, pictureListener);
                if (run == null) {
                    listener.onLeftOut(precision, backend, "far slower than the best");
                    return;
                }
                runs.add(run);
                listener.onMeasured(run.measurement(runs.get(0).rgb()));
            } catch (GenerationCancelledException | ModelLoadException e) {
                throw e;
            } catch (ZImageException e) { // too little memory, or a processor without the instructions
                listener.onLeftOut(precision, backend, String.valueOf(e.getMessage()));
            }
        }
    }

    /** Collects what a {@link Tuner} needs. */
    public static final class Builder {
        private ZImageModel.@Nullable Files model;
        private @Nullable String variant;
        private ImageSize size = ImageSize.square(512);
        private int steps = GenerationRequest.DEFAULT_STEPS;
        private double guidance;
        private Consumer<PipelineBuilder> settings = builder -> {};
        private TuningListener listener = new TuningListener() {};
        private GenerationListener pictureListener = new GenerationListener() {};

        private Builder() {}

        /** Sets the checkpoint: a folder in the layout of diffusers, or a file with the transformer. Required. */
        @CanIgnoreReturnValue
        public Builder model(Path place) {
            return files(ZImageModel.Files.of(Objects.requireNonNull(place, "model")));
        }

        /** As {@link #model(Path)}, for a model whose parts lie in several places. */
        @CanIgnoreReturnValue
        public Builder files(ZImageModel.Files files) {
            this.model = Objects.requireNonNull(files, "model");
            return this;
        }

        /** Prefers weight files of a variant, such as {@code bf16} for {@code model.bf16.safetensors}. */
        @CanIgnoreReturnValue
        public Builder variant(String variant) {
            this.variant = Objects.requireNonNull(variant, "variant");
            return this;
        }

        /** Sets the size of the pictures to tune for: 512 x 512 by default. */
        @CanIgnoreReturnValue
        public Builder size(ImageSize size) {
            this.size = Objects.requireNonNull(size, "size");
            return this;
        }

        /** Sets the steps of the pictures to tune for: 8 by default. */
        @CanIgnoreReturnValue
        public Builder steps(int steps) {
            this.steps = steps;
            return this;
        }

        /** Sets the guidance of the pictures to tune for: 0 by default; the base model's are drawn with 3 to 5. */
        @CanIgnoreReturnValue
        public Builder guidance(double guidance) {
            this.guidance = guidance;
            return this;
        }

        /**
         * Sets what is done to the builder of each candidate's pipeline: threads, memory, cache and whatever else shall be as it will be
         * used. The model is set already; precision, attention and listener are set afterwards. Called once for each candidate, and once before them.
         */
        @CanIgnoreReturnValue
        public Builder settings(Consumer<PipelineBuilder> settings) {
            this.settings = Objects.requireNonNull(settings, "settings");
            return this;
        }

        /** Sets who hears how it gets on. */
        @CanIgnoreReturnValue
        public Builder listener(TuningListener listener) {
            this.listener = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /** Sets who hears how the loading of each candidate and each of its pictures gets on: encoding, steps and decoding. */
        @CanIgnoreReturnValue
        public Builder pictureListener(GenerationListener listener) {
            this.pictureListener = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /**
         * Returns the tuner. Reads nothing yet.
         *
         * @throws IllegalArgumentException if size, steps or guidance are out of range
         */
        public Tuner build() {
            return new Tuner(this);
        }
    }
}
