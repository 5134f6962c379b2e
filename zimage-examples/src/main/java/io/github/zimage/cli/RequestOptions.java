package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.GuidanceMethod;
import io.github.zimage.ImageSize;
import io.github.zimage.ImageToImage;
import io.github.zimage.Nag;
import io.github.zimage.Sampling;
import io.github.zimage.prompt.SizeAdvisor;
import io.github.zimage.prompt.StepAdvisor;
import java.io.PrintWriter;
import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a prompt is drawn: size, steps, seeds and guidance. */
final class RequestOptions {
    private static final BigInteger RANDOM = BigInteger.valueOf(GenerationRequest.RANDOM_SEED);
    private static final String AUTO = "auto";
    private static final Pattern STEPS = Pattern.compile("[+-]?[0-9]{1,9}");

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            description =
                    "Size in place of --width and --height: 1280x768, 1024 for a square, 16:9@1024 for a ratio with"
                            + " the area of a square (16:9 alone: of 1024), or auto: 768, 1024 or 1280 pixels square by the"
                            + " length of the prompt, saying why.")
    private @Nullable String size;

    @Option(
            names = "--width",
            paramLabel = "PIXELS",
            description = "Width, a multiple of 16 (default: 1024; demo model: 128).")
    private @Nullable Integer width;

    @Option(
            names = "--height",
            paramLabel = "PIXELS",
            description = "Height, a multiple of 16 (default: 1024; demo model: 128).")
    private @Nullable Integer height;

    @Option(
            names = "--steps",
            paramLabel = "N|auto",
            description =
                    "Steps; the transformer is evaluated once in each, by some samplers twice (default: 8, or one for each of --sigmas). auto takes 7, 8"
                            + " or 9, meant for Turbo, by what the prompt asks for, and says why.")
    private @Nullable String steps;

    @Option(
            names = "--sigmas",
            paramLabel = "S,S,...",
            hideParamSyntax = true,
            split = ",",
            description = "Noise levels before the shift, falling from at most 1 to above 0 (default: evenly spaced).")
    private List<Float> sigmas = List.of();

    @Option(
            names = "--sampler",
            paramLabel = "NAME",
            converter = RequestConverters.SamplerConverter.class,
            description = "How pictures get from one noise level to the next; 'zimage samplers' lists them"
                    + " (default: euler).")
    private Sampling.@Nullable Sampler sampler;

    @Option(
            names = "--schedule",
            paramLabel = "NAME",
            converter = RequestConverters.ScheduleConverter.class,
            description = "How noise levels are spread over the steps; 'zimage samplers' lists them (default: simple).")
    private Sampling.@Nullable Schedule schedule;

    @Option(
            names = "--shift",
            paramLabel = "S",
            description = "How far noise levels are pushed towards noise, above 0 and at most 100"
                    + " (default: the checkpoint's; 3 for Turbo).")
    private @Nullable Double shift;

    @Option(
            names = "--step-cache",
            paramLabel = "CACHE",
            converter = RequestConverters.StepCacheConverter.class,
            description =
                    "What is left out, for models of many steps: mask=slow, mask=medium, mask=fast or mask=ultra leave out a third,"
                            + " a half, two thirds or three quarters of the later steps; mask= and a 1 or 0 for each step says which are"
                            + " computed; fb=0.1 leaves out where the first block's output has changed by less than that"
                            + " (default: what --profile says, or off).")
    private Sampling.@Nullable StepCache stepCache;

    @Option(
            names = {"-s", "--seed"},
            paramLabel = "N",
            converter = RequestConverters.SeedConverter.class,
            description =
                    "Seed of the first picture, a number of 64 bits; the next ones have the seeds that follow; -1 is a"
                            + " random one (default: -1).")
    private @Nullable BigInteger seed;

    @Option(
            names = "--count",
            paramLabel = "N",
            description = "How many pictures. Of several, the file names get -1, -2... (default: 1).")
    private @Nullable Integer count;

    @Option(
            names = "--seeds",
            paramLabel = "N,N,...",
            hideParamSyntax = true,
            split = ",",
            converter = RequestConverters.SeedConverter.class,
            description = "Seeds of the pictures, in place of --seed and --count, such as those chosen among previews.")
    private List<BigInteger> seeds = List.of();

    @Option(
            names = "--preview",
            description =
                    "Draw half as wide and high, from the noise of the full size reduced: roughly what the pictures"
                            + " will be. Choose, and draw again with --seeds. File names get the seeds.")
    private boolean preview;

    @Option(
            names = "--hires",
            paramLabel = "FACTOR",
            description =
                    "Draw smaller by this factor first, enlarge, and draw anew in part, in half as many steps; the size is"
                            + " that of the result (default: 1, which is not at all).")
    private @Nullable Double hires;

    @Option(
            names = "--guidance",
            paramLabel = "G",
            description = "Classifier-free guidance; 0 is off, as Turbo wants it. The classic scale is G + 1"
                    + " (default: 0).")
    private @Nullable Double guidance;

    @Option(
            names = "--cfg-normalization",
            paramLabel = "F",
            description = "Largest length of a guided prediction, as a multiple of the unguided one's; 0 is no limit"
                    + " (default: 0).")
    private @Nullable Double cfgNormalization;

    @Option(
            names = "--cfg-truncation",
            paramLabel = "F",
            description = "Time, from 0 (noise) to 1 (picture), after which guidance is off (default: 1).")
    private @Nullable Double cfgTruncation;

    @Option(
            names = "--guidance-method",
            paramLabel = "cfg|cfg_zero|apg",
            hideParamSyntax = true,
            converter = RequestConverters.GuidanceMethodConverter.class,
            description =
                    "How --guidance combines predictions: cfg_zero is CFG-Zero*, apg is adaptive projected guidance"
                            + " (default: cfg).")
    private GuidanceMethod.@Nullable Kind guidanceMethod;

    @Option(
            names = "--guidance-rescale",
            paramLabel = "F",
            description = "How far a guided prediction gets the contrast of the unguided one back, from 0 to 1"
                    + " (default: 0).")
    private @Nullable Double guidanceRescale;

    @Option(
            names = "--nag-scale",
            paramLabel = "S",
            description =
                    "Normalized attention guidance, from 1 to 20, with which --negative acts on Turbo, for a tenth more time;"
                            + " 1 is off, 2 is usual (default: 1).")
    private @Nullable Double nagScale;

    @Option(
            names = "--nag-tau",
            paramLabel = "T",
            description =
                    "Its limit for the length of what it gives, as a multiple of what it is without (default: 2.5).")
    private @Nullable Double nagTau;

    @Option(
            names = "--nag-alpha",
            paramLabel = "A",
            description = "Its share of the result, from 0 to 1 (default: 0.25).")
    private @Nullable Double nagAlpha;

    double guidance() {
        return guidance == null ? 0 : guidance;
    }

    double nagScale() {
        return nagScale == null ? 1 : nagScale;
    }

    /** Tells which of the options, the negative prompt among them, have no effect beside the others. */
    void sayWhatHasNoEffect(GenerationRequest request, PrintWriter err) {
        boolean avoids = request.nag().isOn();
        if (request.negativePrompt() != null && request.guidance() == 0 && !avoids) {
            err.println("zimage: --negative has no effect while --guidance is 0 and --nag-scale 1");
        }
        if (!avoids && (nagTau != null || nagAlpha != null)) {
            err.println("zimage: --nag-tau and --nag-alpha have no effect while --nag-scale is 1");
        }
    }

    /** Without the part along the prediction, which is what projecting is for; the other settings stand in JSON and the API. */
    private GuidanceMethod changed(GuidanceMethod method) {
        GuidanceMethod changed = method;
        if (guidanceMethod != null) {
            changed = (guidanceMethod == GuidanceMethod.Kind.APG ? GuidanceMethod.PROJECTED : GuidanceMethod.DEFAULT)
                    .withKind(guidanceMethod)
                    .withRescale(method.rescale());
        }
        return guidanceRescale == null ? changed : changed.withRescale(guidanceRescale);
    }

    private Nag changed(Nag nag) {
        Nag changed = nagScale == null ? nag : nag.withScale(nagScale);
        changed = nagTau == null ? changed : changed.withTau(nagTau);
        return nagAlpha == null ? changed : changed.withAlpha(nagAlpha);
    }

    private Sampling changed(Sampling sampling) {
        Sampling changed = sampler == null ? sampling : sampling.withSampler(sampler);
        changed = schedule == null ? changed : changed.withSchedule(schedule);
        changed = shift == null ? changed : changed.withShift(shift);
        return stepCache == null ? changed : changed.withStepCache(stepCache);
    }

    private static <T> void set(@Nullable T value, Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }

    /** Returns whether the names of the files tell the seeds. */
    boolean namesSeeds() {
        return preview || !seeds.isEmpty();
    }

    /**
     * Returns what is asked for, and says what was chosen for it.
     *
     * @param settings what the options change
     * @param pixels width and height unless they are given; null if the settings have them
     */
    GenerationRequest request(
            GenerationRequest.Builder settings,
            String prompt,
            @Nullable String negative,
            @Nullable ImageToImage imageToImage,
            @Nullable Integer pixels,
            PrintWriter err) {
        GenerationRequest.Builder builder = settings.prompt(prompt)
                .sampling(this::changed)
                .guidanceMethod(this::changed)
                .nag(this::changed);
        set(guidance, builder::guidance);
        set(cfgNormalization, builder::cfgNormalization);
        set(cfgTruncation, builder::cfgTruncation);
        set(hires, builder::hires);
        set(negative, builder::negativePrompt);
        set(imageToImage, builder::imageToImage);
        if (!sigmas.isEmpty()) {
            builder.sigmas(sigmas);
        }
        setSize(builder, prompt, imageToImage == null ? pixels : null, err);
        setSteps(builder, prompt, err);
        setSeeds(builder);
        GenerationRequest request = builder.build();
        return preview ? request.preview().withSeed() : request; // the names of the files tell it
    }

    private void setSeeds(GenerationRequest.Builder builder) {
        set(count, builder::count);
        if (!seeds.isEmpty()) {
            builder.seeds(seeds);
        } else if (seed != null) {
            builder.seed(seed);
        }
    }

    /**
     * Checks what excludes each other.
     *
     * @throws IllegalArgumentException if something does
     */
    void check() {
        if (!seeds.isEmpty() && (seed != null || count != null)) {
            throw new IllegalArgumentException("--seeds stands for --seed and --count: give it or them");
        }
        List<BigInteger> given =
                seeds.stream().filter(each -> !each.equals(RANDOM)).toList();
        if (given.stream().distinct().count() < given.size()) {
            throw new IllegalArgumentException("--seeds must differ, but were " + seeds);
        }
        if (size != null && (width != null || height != null)) {
            throw new IllegalArgumentException("--size stands for --width and --height: give it or them");
        }
        if (steps != null
                && !steps.equalsIgnoreCase(AUTO)
                && !STEPS.matcher(steps).matches()) {
            throw new IllegalArgumentException(
                    "--steps must be auto or a whole number of at most 9 digits, but was '" + steps + "'");
        }
        if (AUTO.equalsIgnoreCase(steps) && !sigmas.isEmpty()) {
            throw new IllegalArgumentException("--sigmas says how many steps there are: leave out --steps auto");
        }
    }

    private void setSize(GenerationRequest.Builder builder, String prompt, @Nullable Integer pixels, PrintWriter err) {
        if (size == null) {
            Integer across = width == null ? pixels : width;
            Integer down = height == null ? pixels : height;
            if (across != null) {
                builder.width(across);
            }
            if (down != null) {
                builder.height(down);
            }
        } else if (size.equalsIgnoreCase(AUTO)) {
            SizeAdvisor.Advice advice = SizeAdvisor.create().advise(prompt);
            err.println("zimage: " + advice.message(Locale.ENGLISH));
            builder.size(advice.pixels(), advice.pixels());
        } else {
            builder.size(ImageSize.of(size));
        }
    }

    private void setSteps(GenerationRequest.Builder builder, String prompt, PrintWriter err) {
        if (steps == null) {
            return;
        }
        if (steps.equalsIgnoreCase(AUTO)) {
            StepAdvisor.Advice advice = StepAdvisor.advise(prompt);
            err.println("zimage: " + advice.message(Locale.ENGLISH));
            builder.steps(advice.steps());
        } else {
            builder.steps(Integer.parseInt(steps));
        }
    }
}
