package io.github.zimage;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What to draw and how. Immutable; made with {@link #builder()}.
 *
 * <p>Either prompts or prompt embeddings are given. Each prompt gives {@link #count()} pictures. Whatever is drawn together is
 * exactly what would be drawn one by one.
 */
public final class GenerationRequest {
    /** Width and height in pixels unless said otherwise. */
    public static final int DEFAULT_SIZE = 1024;

    /** Steps unless said otherwise: what Z-Image-Turbo was distilled for. */
    public static final int DEFAULT_STEPS = 8;

    /** The largest width or height in pixels. */
    public static final int MAX_SIZE = 8192;

    /** The largest number of steps. */
    public static final int MAX_STEPS = 1000;

    private static final int PREVIEW_REDUCTION = 2;
    private static final int PREVIEW_MULTIPLE = 32;
    private static final int MAX_NOISE_REDUCTION = 8;

    private final List<String> prompts;
    private final List<PromptEmbeddings> promptEmbeddings;
    private final @Nullable String negativePrompt;
    private final @Nullable PromptEmbeddings negativeEmbeddings;
    private final int width;
    private final int height;
    private final @Nullable Integer givenSteps;
    private final int steps;
    private final double guidance;
    private final double cfgNormalization;
    private final double cfgTruncation;
    private final @Nullable Long seed;
    private final List<Long> seeds;
    private final int count;
    private final int noiseReduction;
    private final List<Float> sigmas;
    private final List<Latents> latents;

    private GenerationRequest(Builder builder) {
        prompts = List.copyOf(builder.prompts);
        promptEmbeddings = List.copyOf(builder.promptEmbeddings);
        negativePrompt = builder.negativePrompt;
        negativeEmbeddings = builder.negativeEmbeddings;
        width = builder.width;
        height = builder.height;
        sigmas = List.copyOf(builder.sigmas);
        givenSteps = builder.steps;
        steps = givenSteps != null ? givenSteps : sigmas.isEmpty() ? DEFAULT_STEPS : sigmas.size();
        guidance = builder.guidance;
        cfgNormalization = builder.cfgNormalization;
        cfgTruncation = builder.cfgTruncation;
        seeds = List.copyOf(builder.seeds);
        seed = seeds.isEmpty() ? builder.seed : seeds.get(0);
        count = seeds.isEmpty() ? builder.count : seeds.size();
        noiseReduction = builder.noiseReduction;
        latents = List.copyOf(builder.latents);
    }

    /** Returns a builder with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** Returns a builder with this request's values. */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.prompts = prompts;
        builder.promptEmbeddings = promptEmbeddings;
        builder.negativePrompt = negativePrompt;
        builder.negativeEmbeddings = negativeEmbeddings;
        builder.width = width;
        builder.height = height;
        builder.steps = givenSteps;
        builder.guidance = guidance;
        builder.cfgNormalization = cfgNormalization;
        builder.cfgTruncation = cfgTruncation;
        builder.seed = seed;
        builder.seeds = seeds;
        builder.count = count;
        builder.sigmas = sigmas;
        builder.noiseReduction = noiseReduction;
        builder.latents = latents;
        return builder;
    }

    /**
     * Returns the request for a preview: pictures of half the width and height, drawn from this request's noise, reduced. A preview
     * shows roughly what the picture of the same seed will look like; details, and at times more than details, will differ. To draw
     * those that were chosen, give their seeds to {@link Builder#seeds}.
     *
     * @throws IllegalArgumentException if width and height are no multiples of 32, or if noise was given
     */
    public GenerationRequest preview() {
        if (width % PREVIEW_MULTIPLE != 0 || height % PREVIEW_MULTIPLE != 0) {
            throw new IllegalArgumentException(
                    "for a preview, width and height must be multiples of %d, but were %d x %d (nearest: %d x %d)"
                            .formatted(
                                    PREVIEW_MULTIPLE,
                                    width,
                                    height,
                                    nearestPreviewable(width),
                                    nearestPreviewable(height)));
        }
        return toBuilder()
                .size(width / PREVIEW_REDUCTION, height / PREVIEW_REDUCTION)
                .noiseReduction(noiseReduction * PREVIEW_REDUCTION)
                .build();
    }

    private static int nearestPreviewable(int side) {
        return Math.max(1, Math.round((float) side / PREVIEW_MULTIPLE)) * PREVIEW_MULTIPLE;
    }

    /** Returns the prompts; empty if embeddings were given. */
    public List<String> prompts() {
        return prompts;
    }

    /** Returns the prompt embeddings; empty if prompts were given. */
    public List<PromptEmbeddings> promptEmbeddings() {
        return promptEmbeddings;
    }

    /** Returns what the pictures should not show, or {@code null}. */
    public @Nullable String negativePrompt() {
        return negativePrompt;
    }

    /** Returns the embeddings of what the pictures should not show, or {@code null}. */
    public @Nullable PromptEmbeddings negativeEmbeddings() {
        return negativeEmbeddings;
    }

    /** Returns the width in pixels. */
    public int width() {
        return width;
    }

    /** Returns the height in pixels. */
    public int height() {
        return height;
    }

    /** Returns how often the transformer is evaluated. */
    public int steps() {
        return steps;
    }

    /** Returns the guidance; 0 is off. */
    public double guidance() {
        return guidance;
    }

    /** Returns the limit for the length of a guided prediction, as a multiple of the unguided one's; 0 is off. */
    public double cfgNormalization() {
        return cfgNormalization;
    }

    /** Returns the time, from 0 (noise) to 1 (picture), after which guidance is off. */
    public double cfgTruncation() {
        return cfgTruncation;
    }

    /** Returns the seed of the first picture, or {@code null} if each generation shall choose one. */
    public @Nullable Long seed() {
        return seed;
    }

    /** Returns the seed of each of a prompt's pictures; empty if they follow from {@link #seed()}. */
    public List<Long> seeds() {
        return seeds;
    }

    /**
     * Returns the seed of a picture.
     *
     * @param index the picture's place among all pictures, from 0
     * @param firstSeed the seed of the first picture, if it was not given
     */
    public long seedOf(int index, long firstSeed) {
        return seeds.isEmpty() ? Objects.requireNonNullElse(seed, firstSeed) + index : seeds.get(index % seeds.size());
    }

    /** Returns how many pictures each prompt gives. */
    public int count() {
        return count;
    }

    /** Returns how many times as wide and high the picture is whose noise is reduced to this one's; 1 unless this is a preview. */
    public int noiseReduction() {
        return noiseReduction;
    }

    /** Returns the noise levels before the scheduler's shift, one a step; empty for evenly spaced ones. */
    public List<Float> sigmas() {
        return sigmas;
    }

    /** Returns the noise to start from, one a picture; empty to draw it from the seed. */
    public List<Latents> latents() {
        return latents;
    }

    /** Returns how many pictures this request gives. */
    public int totalCount() {
        return count * Math.max(prompts.size(), promptEmbeddings.size());
    }

    /** Collects the values of a {@link GenerationRequest}. Not thread-safe. */
    public static final class Builder {
        private List<String> prompts = List.of();
        private List<PromptEmbeddings> promptEmbeddings = List.of();
        private @Nullable String negativePrompt;
        private @Nullable PromptEmbeddings negativeEmbeddings;
        private int width = DEFAULT_SIZE;
        private int height = DEFAULT_SIZE;
        private @Nullable Integer steps;
        private double guidance;
        private double cfgNormalization;
        private double cfgTruncation = 1;
        private @Nullable Long seed;
        private List<Long> seeds = List.of();
        private int count = 1;
        private int noiseReduction = 1;
        private List<Float> sigmas = List.of();
        private List<Latents> latents = List.of();

        private Builder() {}

        /** Sets the prompt. May be empty, which draws something of the model's own choice. */
        @CanIgnoreReturnValue
        public Builder prompt(String prompt) {
            this.prompts = List.of(prompt);
            return this;
        }

        /** Sets several prompts, which are drawn together. */
        @CanIgnoreReturnValue
        public Builder prompts(List<String> prompts) {
            this.prompts = List.copyOf(prompts);
            return this;
        }

        /** Sets embeddings from {@link ZImagePipeline#encode} in place of prompts. */
        @CanIgnoreReturnValue
        public Builder promptEmbeddings(List<PromptEmbeddings> embeddings) {
            this.promptEmbeddings = List.copyOf(embeddings);
            return this;
        }

        /** Sets what the pictures should not show. Acts only with {@link #guidance} above 0; unset, it is the empty prompt. */
        @CanIgnoreReturnValue
        public Builder negativePrompt(String negativePrompt) {
            this.negativePrompt = Objects.requireNonNull(negativePrompt, "negativePrompt");
            return this;
        }

        /** Sets embeddings in place of a negative prompt. */
        @CanIgnoreReturnValue
        public Builder negativeEmbeddings(PromptEmbeddings negativeEmbeddings) {
            this.negativeEmbeddings = Objects.requireNonNull(negativeEmbeddings, "negativeEmbeddings");
            return this;
        }

        /**
         * Sets the size in pixels, 1024 by 1024 unless set. Both must be multiples of 16 for Z-Image (twice the VAE's scale)
         * and at most {@value GenerationRequest#MAX_SIZE}.
         */
        @CanIgnoreReturnValue
        public Builder size(int width, int height) {
            this.width = width;
            this.height = height;
            return this;
        }

        /** As {@link #size(int, int)}. */
        @CanIgnoreReturnValue
        public Builder size(ImageSize size) {
            return size(size.width(), size.height());
        }

        /**
         * Sets how often the transformer is evaluated, from 1 to {@value GenerationRequest#MAX_STEPS}. Unset, it is once for each of
         * the {@link #sigmas}, or {@value GenerationRequest#DEFAULT_STEPS} times if there are none. Every step is a real evaluation; older documents call eight of them
         * {@code num_inference_steps=9}.
         */
        @CanIgnoreReturnValue
        public Builder steps(int steps) {
            this.steps = steps;
            return this;
        }

        /**
         * Sets the guidance g of {@code positive + g * (positive - negative)}; 0, the default, is off and halves the work; at
         * most 100. The classic scale is g + 1. Z-Image-Turbo wants 0, the base model 3 to 5.
         */
        @CanIgnoreReturnValue
        public Builder guidance(double guidance) {
            this.guidance = guidance;
            return this;
        }

        /**
         * Sets the limit for the Euclidean length of a guided prediction, as a multiple of the positive one's; 0, the default,
         * is no limit, and 1 is what diffusers calls {@code True}; at most 100.
         */
        @CanIgnoreReturnValue
        public Builder cfgNormalization(double cfgNormalization) {
            this.cfgNormalization = cfgNormalization;
            return this;
        }

        /**
         * Sets the time, from 0 (noise) to 1 (picture), after which guidance is off. The default 1 keeps it on in all steps, as does
         * anything up to 100.
         */
        @CanIgnoreReturnValue
        public Builder cfgTruncation(double cfgTruncation) {
            this.cfgTruncation = cfgTruncation;
            return this;
        }

        /**
         * Sets the seed of the first picture; those that follow have the seeds that follow. Unset, each generation chooses one
         * and reports it in {@link GeneratedImage#seed()}. The noise is that of {@code torch.Generator("cpu").manual_seed(seed)}.
         */
        @CanIgnoreReturnValue
        public Builder seed(long seed) {
            this.seed = seed;
            this.seeds = List.of();
            return this;
        }

        /**
         * Sets the seed of each of a prompt's pictures, such as those chosen among previews, in place of {@link #seed} and
         * {@link #count}. Several prompts are drawn with the same seeds.
         */
        @CanIgnoreReturnValue
        public Builder seeds(List<Long> seeds) {
            this.seeds = List.copyOf(seeds);
            return this;
        }

        /** Sets how many pictures each prompt gives, from 1 to 1000, 1 unless set. */
        @CanIgnoreReturnValue
        public Builder count(int count) {
            this.count = count;
            this.seeds = List.of();
            return this;
        }

        /**
         * Draws the noise for a picture so many times as wide and high, and reduces it by averaging, scaled so that its variance stays 1:
         * 1, the default, 2, 4 or 8. The picture then resembles the larger one of the same seed, which it does not otherwise.
         */
        @CanIgnoreReturnValue
        public Builder noiseReduction(int noiseReduction) {
            this.noiseReduction = noiseReduction;
            return this;
        }

        /**
         * Sets the noise levels to pass through in place of evenly spaced ones: falling numbers above 0 and up to 1, before
         * the scheduler's shift, one a step, without the closing 0.
         */
        @CanIgnoreReturnValue
        public Builder sigmas(List<Float> sigmas) {
            this.sigmas = List.copyOf(sigmas);
            return this;
        }

        /** Sets the noise to start from, one a picture, in place of drawing it from the seed, which then has no effect. */
        @CanIgnoreReturnValue
        public Builder latents(List<Latents> latents) {
            this.latents = List.copyOf(latents);
            return this;
        }

        /**
         * Returns the request.
         *
         * @throws IllegalArgumentException if any value is out of its range, or two contradict each other; the message names all
         */
        public GenerationRequest build() {
            GenerationRequest request = new GenerationRequest(this);
            List<String> problems = request.problems();
            if (!problems.isEmpty()) {
                throw new IllegalArgumentException(String.join("; ", problems));
            }
            return request;
        }
    }

    private List<String> problems() {
        List<String> problems = new ArrayList<>();
        if (prompts.isEmpty() == promptEmbeddings.isEmpty()) {
            problems.add("either a prompt or prompt embeddings must be given, but there were "
                    + (prompts.isEmpty() ? "none" : "both"));
        }
        if (negativePrompt != null && negativeEmbeddings != null) {
            problems.add("only one of negative prompt and negative embeddings can be given, but there were both");
        }
        if (guidance > 0 && prompts.isEmpty() && negativePrompt == null && negativeEmbeddings == null) {
            problems.add("guidance with prompt embeddings needs a negative prompt or negative embeddings");
        }
        checkSide(problems, "width", width);
        checkSide(problems, "height", height);
        checkRange(problems, "steps", steps, 1, MAX_STEPS);
        checkRange(problems, "guidance", guidance, 0, 100);
        checkRange(problems, "cfgNormalization", cfgNormalization, 0, 100);
        checkRange(problems, "cfgTruncation", cfgTruncation, 0, 100);
        checkRange(problems, "count", count, 1, 1000);
        checkSigmas(problems);
        checkNoiseReduction(problems);
        if (!latents.isEmpty() && latents.size() != totalCount()) {
            problems.add("latents must be given for each of the %d pictures, but there were %d"
                    .formatted(totalCount(), latents.size()));
        }
        return problems;
    }

    private void checkNoiseReduction(List<String> problems) {
        if (noiseReduction < 1 || noiseReduction > MAX_NOISE_REDUCTION || Integer.bitCount(noiseReduction) != 1) {
            problems.add(
                    "noiseReduction must be 1, 2, 4 or %d, but was %d".formatted(MAX_NOISE_REDUCTION, noiseReduction));
        } else if (noiseReduction > 1 && (long) Math.max(width, height) * noiseReduction > MAX_SIZE) {
            problems.add("noise can be drawn for at most %d pixels, but was asked for %d times %d"
                    .formatted(MAX_SIZE, noiseReduction, Math.max(width, height)));
        } else if (noiseReduction > 1 && !latents.isEmpty()) {
            problems.add("latents that are given are not reduced, but noiseReduction was " + noiseReduction);
        }
    }

    private void checkSigmas(List<String> problems) {
        if (!sigmas.isEmpty() && sigmas.size() != steps) {
            problems.add("sigmas must be one a step (%d), but there were %d".formatted(steps, sigmas.size()));
        }
        float previous = Float.POSITIVE_INFINITY;
        for (float sigma : sigmas) {
            if (!(sigma > 0 && sigma <= 1 && sigma < previous)) {
                problems.add("sigmas must fall strictly from at most 1 to above 0, but were " + sigmas);
                return;
            }
            previous = sigma;
        }
    }

    private static void checkSide(List<String> problems, String name, int value) {
        if (value < 1 || value > MAX_SIZE) {
            problems.add("%s must be between 1 and %d pixels, but was %d".formatted(name, MAX_SIZE, value));
        }
    }

    private static void checkRange(List<String> problems, String name, double value, double min, double max) {
        if (!(value >= min && value <= max)) {
            problems.add("%s must be between %s and %s, but was %s"
                    .formatted(name, number(min), number(max), number(value)));
        }
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
