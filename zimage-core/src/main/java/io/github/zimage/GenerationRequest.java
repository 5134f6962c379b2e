package io.github.zimage;

import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.request.RequestFields;
import io.github.zimage.internal.request.RequestJson;
import io.github.zimage.internal.request.Seeds;
import io.github.zimage.upscale.UpscalerModel;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What to draw and how. Immutable; made with {@link #builder()}.
 *
 * <p>Either prompts or prompt embeddings are given. Each prompt gives {@link #count()} pictures. Whatever is drawn together is
 * exactly what would be drawn one by one.
 */
public final class GenerationRequest {
    /** Steps unless said otherwise: what Z-Image-Turbo was distilled for. */
    public static final int DEFAULT_STEPS = 8;

    /** The largest number of steps. */
    public static final int MAX_STEPS = 1000;

    /** The largest factor between the small and the large picture of {@link Builder#hires}. */
    public static final double MAX_HIRES = 4;

    /** The seed that stands for a random one. */
    public static final long RANDOM_SEED = Seeds.RANDOM;

    /** A copy that nobody changes. */
    private final Builder values;

    private GenerationRequest(Builder values) {
        this.values = values;
    }

    /** Returns a builder with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** Returns a builder with this request's values. */
    public Builder toBuilder() {
        return values.copy();
    }

    /**
     * Reads a request from the JSON that {@link #toJson} writes, or that a person wrote: what is missing has its default.
     *
     * @throws InvalidRequestException if the text is no such JSON, or any value is out of its range, or two contradict each other
     */
    public static GenerationRequest fromJson(String json) {
        return builder().json(json).build();
    }

    /** Returns JSON for {@link #fromJson}, in one line: the names of the builder's setters; embeddings and latents are left out, and of LoRAs the files. */
    public String toJson() {
        return RequestJson.write(this);
    }

    /**
     * Returns the request for a preview: half as wide and high, drawn from this request's noise, reduced. It shows roughly what the
     * picture of the same seed will look like; details, and at times more, will differ. Give the chosen seeds to {@link Builder#seeds}.
     *
     * @throws IllegalArgumentException if width and height are no multiples of 32, or if noise was given
     */
    public GenerationRequest preview() {
        return RequestRules.preview(this);
    }

    /** Returns the prompts; empty if embeddings were given. */
    public List<String> prompts() {
        return values.prompts;
    }

    /** Returns the prompt embeddings; empty if prompts were given. */
    public List<PromptEmbeddings> promptEmbeddings() {
        return values.promptEmbeddings;
    }

    /** Returns what the pictures should not show, or {@code null}. */
    public @Nullable String negativePrompt() {
        return values.negativePrompt;
    }

    /** Returns the embeddings of what the pictures should not show, or {@code null}. */
    public @Nullable PromptEmbeddings negativeEmbeddings() {
        return values.negativeEmbeddings;
    }

    /** Returns the width in pixels. */
    public int width() {
        return values.side(values.width, ImageSize::width);
    }

    /** Returns the height in pixels. */
    public int height() {
        return values.side(values.height, ImageSize::height);
    }

    /** Returns in how many steps pictures are drawn. */
    public int steps() {
        Integer given = values.steps;
        return given != null ? given : sigmas().isEmpty() ? DEFAULT_STEPS : sigmas().size();
    }

    /** Returns how pictures get from noise to what they show. */
    public Sampling sampling() {
        return values.sampling;
    }

    /** Returns how often the transformer is evaluated for a picture, not counting guidance: {@link Sampling#evaluations}. */
    public int evaluations() {
        int small = sampling().evaluations(steps());
        return hires() > 1 ? small + sampling().evaluations(refiningSteps()) : small;
    }

    /** Returns how many times as wide and high as drawn first pictures come out; 1 unless they are drawn in two passes. */
    public double hires() {
        return values.hires;
    }

    /** Returns in how many steps pictures are drawn anew that were drawn small first: half as many, rounded up. */
    public int refiningSteps() {
        return (steps() + 1) / 2;
    }

    /** Returns the guidance; 0 is off. */
    public double guidance() {
        return values.guidance;
    }

    /** Returns the limit for the length of a guided prediction, as a multiple of the unguided one's; 0 is off. */
    public double cfgNormalization() {
        return values.cfgNormalization;
    }

    /** Returns the time, from 0 (noise) to 1 (picture), after which guidance is off. */
    public double cfgTruncation() {
        return values.cfgTruncation;
    }

    /** Returns how guidance combines predictions. */
    public GuidanceMethod guidanceMethod() {
        return values.guidanceMethod;
    }

    /** Returns how the negative prompt acts by attention, if it does. */
    public Nag nag() {
        return values.nag;
    }

    /** Returns the seed of the first picture, or {@code null} if each generation shall choose one. */
    public @Nullable Long seed() {
        return values.seeds.isEmpty() ? values.seed : values.seeds.get(0);
    }

    /** Returns the seed of each of a prompt's pictures; empty if they follow from {@link #seed()}. */
    public List<Long> seeds() {
        return values.seeds;
    }

    /**
     * Returns a picture's seed.
     *
     * @param index the picture's place among all pictures, from 0
     * @throws IllegalStateException if each generation shall choose the seed; see {@link #withSeed}
     */
    public long seedOf(int index) {
        if (!values.seeds.isEmpty()) {
            return values.seeds.get(index % values.seeds.size());
        }
        if (values.seed == null) {
            throw new IllegalStateException("the request names no seed: each generation chooses one");
        }
        return values.seed + index;
    }

    /** Returns this request if it names a seed, or else the same with one of 32 bits that is chosen now. */
    public GenerationRequest withSeed() {
        return seed() == null ? toBuilder().seed(Seeds.random()).build() : this;
    }

    /** Returns how many pictures each prompt gives. */
    public int count() {
        return values.seeds.isEmpty() ? values.count : values.seeds.size();
    }

    /** Returns how many times as wide and high the picture is whose noise is reduced to this one's; 1 unless this is a preview. */
    public int noiseReduction() {
        return values.noiseReduction;
    }

    /** Returns the noise levels before the scheduler's shift, one a step; empty for evenly spaced ones. */
    public List<Float> sigmas() {
        return values.sigmas;
    }

    /** Returns the noise to start from, one a picture; empty to draw it from the seed. */
    public List<Latents> latents() {
        return values.latents;
    }

    /** Returns the LoRAs to draw with; {@code null} for those of the pipeline. */
    public @Nullable List<Lora> loras() {
        return values.loras;
    }

    /** Returns the picture to start from and what is done with it, or {@code null} to start from noise alone. */
    public @Nullable ImageToImage imageToImage() {
        return values.imageToImage;
    }

    /** Returns what enlarges the pictures, or {@code null} if nothing does. */
    public @Nullable UpscalerModel upscaler() {
        return values.upscaler;
    }

    /** Returns the pictures that others follow; empty if they follow none. */
    public List<ControlImage> controls() {
        return values.controls;
    }

    /** Returns how many pictures this request gives. */
    public int totalCount() {
        return count() * Math.max(prompts().size(), promptEmbeddings().size());
    }

    /** Compares all values; embeddings and latents count as equal only if they are the same objects. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof GenerationRequest request
                && RequestFields.values(this).equals(RequestFields.values(request));
    }

    @Override
    public int hashCode() {
        return RequestFields.values(this).hashCode();
    }

    /** Returns what matters in one line, long prompts cut. */
    @Override
    public String toString() {
        return RequestFields.describe(this);
    }

    /** Collects the values of a {@link GenerationRequest}. Not thread-safe. */
    @SuppressWarnings("CanIgnoreReturnValueSuggester") // of each setter, as everybody knows of builders
    public static final class Builder implements Cloneable {
        private List<String> prompts = List.of();
        private List<PromptEmbeddings> promptEmbeddings = List.of();
        private @Nullable String negativePrompt;
        private @Nullable PromptEmbeddings negativeEmbeddings;
        private @Nullable Integer width;
        private @Nullable Integer height;
        private @Nullable Integer steps;
        private Sampling sampling = Sampling.DEFAULT;
        private double guidance;
        private double cfgNormalization;
        private double cfgTruncation = 1;
        private GuidanceMethod guidanceMethod = GuidanceMethod.DEFAULT;
        private Nag nag = Nag.OFF;
        private @Nullable Long seed;
        private List<Long> seeds = List.of();
        private int count = 1;
        private int noiseReduction = 1;
        private double hires = 1;
        private List<Float> sigmas = List.of();
        private List<Latents> latents = List.of();
        private @Nullable List<Lora> loras;
        private @Nullable ImageToImage imageToImage;
        private @Nullable UpscalerModel upscaler;
        private List<ControlImage> controls = List.of();

        private Builder() {}

        private Builder copy() {
            try {
                return (Builder) clone();
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

        private int side(@Nullable Integer given, ToIntFunction<ImageSize> side) {
            if (given != null) {
                return given;
            }
            SourceImage followed = controls.isEmpty() ? null : controls.get(0).image();
            ImageToImage sized = imageToImage == null && followed != null ? ImageToImage.of(followed) : imageToImage;
            return sized == null ? ImageSize.DEFAULT_SIDE : side.applyAsInt(sized.size());
        }

        /**
         * Sets what a JSON object names, as {@link GenerationRequest#toJson} writes it, and leaves the rest as it is. Names with underscores,
         * such as {@code negative_prompt}, are read too; a null counts as missing.
         *
         * @throws InvalidRequestException if the text is not a JSON object, or a field is unknown, given twice or of another type
         */
        public Builder json(String json) {
            RequestJson.read(Given.value(json, "json"), this);
            return this;
        }

        /** Sets the prompt. May be empty, which draws something of the model's own choice. */
        public Builder prompt(String prompt) {
            this.prompts = List.of(Given.value(prompt, "prompt"));
            return this;
        }

        /** Sets several prompts, which are drawn together. */
        public Builder prompts(List<String> prompts) {
            this.prompts = Given.list(prompts, "prompts");
            return this;
        }

        /** Sets embeddings from {@link ZImagePipeline#encode} in place of prompts. */
        public Builder promptEmbeddings(List<PromptEmbeddings> embeddings) {
            this.promptEmbeddings = Given.list(embeddings, "promptEmbeddings");
            return this;
        }

        /** Sets what the pictures should not show. Acts only with {@link #guidance} or {@link #nag(Nag)}; unset, it is the empty prompt. */
        public Builder negativePrompt(String negativePrompt) {
            this.negativePrompt = Given.value(negativePrompt, "negativePrompt");
            return this;
        }

        /** Sets embeddings in place of a negative prompt. */
        public Builder negativeEmbeddings(PromptEmbeddings negativeEmbeddings) {
            this.negativeEmbeddings = Given.value(negativeEmbeddings, "negativeEmbeddings");
            return this;
        }

        /** Sets the size in pixels: multiples of 16 for Z-Image, twice the VAE's scale, up to {@value ImageSize#MAX_SIDE}. */
        public Builder size(int width, int height) {
            return width(width).height(height);
        }

        /** Sets the width in pixels, 1024 or that of the picture to start from unless set; see {@link #size(int, int)}. */
        public Builder width(int width) {
            this.width = width;
            return this;
        }

        /** Sets the height in pixels, 1024 or that of the picture to start from unless set; see {@link #size(int, int)}. */
        public Builder height(int height) {
            this.height = height;
            return this;
        }

        /** As {@link #size(int, int)}. */
        public Builder size(ImageSize size) {
            return size(Given.value(size, "size").width(), size.height());
        }

        /**
         * Sets the steps, from 1 to {@value GenerationRequest#MAX_STEPS}. Unset, there is one for
         * each of the {@link #sigmas}, or {@value GenerationRequest#DEFAULT_STEPS} if there are none. In each the transformer is evaluated once, by some samplers twice; older
         * documents call eight of them {@code num_inference_steps=9}.
         */
        public Builder steps(int steps) {
            this.steps = steps;
            return this;
        }

        /** Sets the sampler, the schedule of noise levels and their shift; {@link Sampling#DEFAULT} unless set. */
        public Builder sampling(Sampling sampling) {
            this.sampling = Given.value(sampling, "sampling");
            return this;
        }

        /** Changes the sampling, as in {@code sampling(s -> s.withShift(6))}. */
        public Builder sampling(UnaryOperator<Sampling> change) {
            return sampling(Given.value(change, "change").apply(sampling));
        }

        /**
         * Sets the guidance g of {@code positive + g * (positive - negative)}; 0, the default, is off and halves the work; at
         * most 100. The classic scale is g + 1. Z-Image-Turbo wants 0, the base model 3 to 5.
         */
        public Builder guidance(double guidance) {
            this.guidance = guidance;
            return this;
        }

        /**
         * Sets the limit for the Euclidean length of a guided prediction, as a multiple of the positive one's; 0, the default,
         * is no limit, and 1 is what diffusers calls {@code True}; at most 100.
         */
        public Builder cfgNormalization(double cfgNormalization) {
            this.cfgNormalization = cfgNormalization;
            return this;
        }

        /**
         * Sets the time, from 0 (noise) to 1 (picture), after which guidance is off. The default 1 keeps it on in all steps.
         */
        public Builder cfgTruncation(double cfgTruncation) {
            this.cfgTruncation = cfgTruncation;
            return this;
        }

        /** Sets how {@link #guidance(double)} combines predictions; {@link GuidanceMethod#DEFAULT} unless set. */
        public Builder guidanceMethod(GuidanceMethod guidanceMethod) {
            this.guidanceMethod = Given.value(guidanceMethod, "guidanceMethod");
            return this;
        }

        /** Changes how guidance combines predictions, as in {@code guidanceMethod(m -> m.withRescale(0.7))}. */
        public Builder guidanceMethod(UnaryOperator<GuidanceMethod> change) {
            return guidanceMethod(Given.value(change, "change").apply(guidanceMethod));
        }

        /**
         * Sets guidance by attention, with which the {@link #negativePrompt} acts on Turbo; {@link Nag#OFF} unless set. Not together with
         * {@link #guidance}.
         */
        public Builder nag(Nag nag) {
            this.nag = Given.value(nag, "nag");
            return this;
        }

        /** Changes the guidance by attention, as in {@code nag(n -> n.withScale(2))}. */
        public Builder nag(UnaryOperator<Nag> change) {
            return nag(Given.value(change, "change").apply(nag));
        }

        /**
         * Sets the seed of the first picture; those that follow have the seeds that follow. Unset, or with -1, each generation chooses one
         * and reports it in {@link GeneratedImage#seed()}. The noise is that of {@code torch.Generator("cpu").manual_seed(seed)}, which
         * takes 64 bits: other negative numbers are the large ones of the same bits.
         */
        public Builder seed(long seed) {
            this.seed = seed == RANDOM_SEED ? null : (Long) seed;
            seeds = List.of();
            return this;
        }

        /** As {@link #seed(long)}, for those of other programs, which have no sign; refuses what has more than 64 bits. */
        public Builder seed(BigInteger seed) {
            this.seed = Seeds.isRandom(Given.value(seed, "seed")) ? null : (Long) Seeds.bits(seed, "seed");
            seeds = List.of();
            return this;
        }

        /**
         * Sets the seed of each of a prompt's pictures, such as those chosen among previews, in place of {@link #seed} and
         * {@link #count}. Several prompts are drawn with the same seeds. In place of each -1 a seed is chosen now.
         *
         * @param seeds whole numbers from -2^63 to 2^64 - 1
         * @throws InvalidRequestException if one is no such number
         */
        public Builder seeds(List<? extends Number> seeds) {
            this.seeds = Given.<Number>list(seeds, "seeds").stream()
                    .map(Seeds::chosen)
                    .toList();
            return this;
        }

        /** Sets how many pictures each prompt gives, from 1 to 1000, 1 unless set. */
        public Builder count(int count) {
            this.count = count;
            seeds = List.of();
            return this;
        }

        /**
         * Draws the noise for a picture so many times as wide and high, and reduces it by averaging, scaled so that its variance stays 1:
         * 1, the default, 2, 4 or 8. The picture then resembles the larger one of the same seed, which it does not otherwise.
         */
        public Builder noiseReduction(int noiseReduction) {
            this.noiseReduction = noiseReduction;
            return this;
        }

        /**
         * Sets the noise levels to pass through in place of evenly spaced ones: falling numbers above 0 and up to 1, before
         * the scheduler's shift, one a step, without the closing 0.
         */
        public Builder sigmas(List<Float> sigmas) {
            this.sigmas = Given.list(sigmas, "sigmas");
            return this;
        }

        /** Sets the noise to start from, one a picture, in place of drawing it from the seed, which then has no effect. */
        public Builder latents(List<Latents> latents) {
            this.latents = Given.list(latents, "latents");
            return this;
        }

        /** Sets the LoRAs to draw with, in place of the pipeline's own; an empty list is to draw with none. */
        public Builder loras(List<Lora> loras) {
            this.loras = Given.list(loras, "loras");
            return this;
        }

        /** Adds a LoRA to those that were set, or if none were, sets it. */
        public Builder lora(Lora lora) {
            List<Lora> all = new ArrayList<>(loras == null ? List.of() : loras);
            all.add(Given.value(lora, "lora"));
            return loras(all);
        }

        /**
         * Draws pictures smaller by a factor first, 1 (the default, not at all) to {@value GenerationRequest#MAX_HIRES}, enlarges them and draws them anew in
         * part, in half as many steps. Large pictures then hold together as small ones do. The size of the request is that of the large ones.
         */
        public Builder hires(double hires) {
            this.hires = hires;
            return this;
        }

        /**
         * Enlarges the finished pictures by a network, whose factor their size is multiplied by; with {@link #hires}, the small ones, before they are drawn anew.
         */
        public Builder upscaler(UpscalerModel upscaler) {
            this.upscaler = Given.value(upscaler, "upscaler");
            return this;
        }

        /** Enlarges no pictures, or with {@link #hires} by resizing, as unless an upscaler is set. */
        public Builder withoutUpscaler() {
            upscaler = null;
            return this;
        }

        /** Sets a picture to start from in place of noise alone. Its size is that of the request unless another is set. */
        public Builder imageToImage(ImageToImage imageToImage) {
            this.imageToImage = Given.value(imageToImage, "imageToImage");
            return this;
        }

        /** Changes what was set by {@link #imageToImage(ImageToImage)}, or begins with what lacks its picture. */
        public Builder imageToImage(UnaryOperator<ImageToImage> change) {
            return imageToImage(
                    Given.value(change, "change").apply(imageToImage == null ? ImageToImage.EMPTY : imageToImage));
        }

        /** Sets the pictures that others follow, for a pipeline with a ControlNet; up to eight, whose hints add up. */
        public Builder controls(List<ControlImage> controls) {
            this.controls = Given.list(controls, "controls");
            return this;
        }

        /** Adds a picture to those that others follow. The size of the first is that of the request unless another is set. */
        public Builder control(ControlImage control) {
            List<ControlImage> all = new ArrayList<>(controls);
            all.add(Given.value(control, "control"));
            return controls(all);
        }

        /**
         * Returns the request.
         *
         * @throws InvalidRequestException if any value is out of its range, or two contradict each other; the message names all
         */
        public GenerationRequest build() {
            GenerationRequest request = new GenerationRequest(copy());
            RequestRules.check(request);
            return request;
        }

        /** As {@link #build}, but the prompt may be missing, as it is from files of pictures that were drawn from embeddings. */
        GenerationRequest buildRead() {
            GenerationRequest request = new GenerationRequest(copy());
            RequestRules.checkRead(request);
            return request;
        }
    }
}
