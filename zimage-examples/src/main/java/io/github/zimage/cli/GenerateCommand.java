package io.github.zimage.cli;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.ConversionCache;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.Latents;
import io.github.zimage.MemorySize;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.PromptOverflow;
import io.github.zimage.VaeTiling;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.SizeAdvisor;
import io.github.zimage.prompt.StepAdvisor;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Draws pictures. */
@Command(
        name = "generate",
        description = "Draws a picture from a prompt.",
        customSynopsis = "zimage generate [OPTIONS] PROMPT",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  zimage generate \"a fox on the left and a tree on the right, yellow background\"",
            "  zimage generate --model Z-Image-Turbo --out fox.png \"a red fox in the snow\""
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class GenerateCommand implements Callable<Integer> {
    static final String MODEL_VARIABLE = "ZIMAGE_MODEL";
    private static final String AUTO = "auto";
    private static final Pattern STEPS = Pattern.compile("[+-]?[0-9]{1,9}");

    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "PROMPT", description = "What to draw.")
    private @Nullable String words;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout (default: the environment variable "
                    + MODEL_VARIABLE + ", else the demo model, which draws everyday things on plain backgrounds).")
    private @Nullable Path model;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            description = "What to draw, in place of PROMPT: for one that begins with a hyphen, as --prompt=TEXT.")
    private @Nullable String promptOption;

    @Option(
            names = "--lint",
            paramLabel = "MODE",
            defaultValue = "off",
            description = "warn says what 'zimage prompt lint' finds in the prompt, fix draws it with the fixes applied"
                    + ", off does not look (default: ${DEFAULT-VALUE}).")
    private Lint lint;

    @Option(
            names = "--negative",
            paramLabel = "TEXT",
            description = "What not to draw. Acts only with a guidance above 0.")
    private @Nullable String negative;

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
                    "How often the transformer is evaluated (default: 8, or one for each of --sigmas). auto takes 7, 8"
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
            names = "--seed",
            paramLabel = "N",
            description =
                    "Seed of the first picture; the next ones have the seeds that follow (default: a random one).")
    private @Nullable Long seed;

    @Option(
            names = "--count",
            paramLabel = "N",
            defaultValue = "1",
            description = "How many pictures. Of several, the file names get -1, -2... (default: ${DEFAULT-VALUE}).")
    private int count;

    @Option(
            names = "--seeds",
            paramLabel = "N,N,...",
            hideParamSyntax = true,
            split = ",",
            description = "Seeds of the pictures, in place of --seed and --count, such as those chosen among previews.")
    private List<Long> seeds = List.of();

    @Option(
            names = "--preview",
            description =
                    "Draw half as wide and high, from the noise of the full size reduced: roughly what the pictures"
                            + " will be. Choose, and draw again with --seeds. File names get the seeds.")
    private boolean preview;

    @Option(
            names = "--guidance",
            paramLabel = "G",
            defaultValue = "0",
            description = "Classifier-free guidance; 0 is off, as Turbo wants it. The classic scale is G + 1"
                    + " (default: ${DEFAULT-VALUE}).")
    private double guidance;

    @Option(
            names = "--cfg-normalization",
            paramLabel = "F",
            defaultValue = "0",
            description = "Largest length of a guided prediction, as a multiple of the unguided one's; 0 is no limit"
                    + " (default: ${DEFAULT-VALUE}).")
    private double cfgNormalization;

    @Option(
            names = "--cfg-truncation",
            paramLabel = "F",
            defaultValue = "1",
            description =
                    "Time, from 0 (noise) to 1 (picture), after which guidance is off (default: ${DEFAULT-VALUE}).")
    private double cfgTruncation;

    @Option(
            names = "--dtype",
            paramLabel = "fp32|bf16|int8|fp8",
            description =
                    "Number format to compute in (default: bf16, or what --profile says); int8 needs half the memory and time;"
                            + " fp8, too, on graphics cards only.")
    private @Nullable Precision precision;

    @Option(
            names = "--vae-precision",
            paramLabel = "fp32|bf16",
            description = "Number format of the VAE (default: that of --dtype, bf16 for int8 and fp8).")
    private @Nullable Precision vaePrecision;

    @Option(
            names = "--vae-tiling",
            paramLabel = "auto|on|off|ROWS",
            defaultValue = "auto",
            description =
                    "Whether the VAE decodes in tiles, strips of so many rows, a multiple of 8: less memory, the same"
                            + " picture up to rounding. auto does when memory is short (default: ${DEFAULT-VALUE}).")
    private String vaeTiling;

    @Option(
            names = "--attention",
            paramLabel = "NAME",
            description =
                    "How attention is computed: auto, sdpa, flash, math, blockwise, on cards also cudnn, mem_efficient and _flash_3, or"
                            + " the name of one that is"
                            + " plugged in (default: auto, or what --profile says).")
    private @Nullable String attention;

    @Option(
            names = "--profile",
            paramLabel = "F.json",
            description =
                    "Settings that 'zimage tune' found for this model; other options take the place of what it says.")
    private @Nullable Path profile;

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            description =
                    "How much memory the process may have, such as 8g or 900m; weights that do not fit are read again"
                            + " whenever they are needed (default: what the machine has available).",
            converter = MemoryOptions.SizeConverter.class)
    private @Nullable MemorySize memory;

    @Mixin
    private MemoryOptions places;

    @Option(
            names = "--plan",
            description = "Print where the weights would be and how much memory that would need, and draw nothing.")
    private boolean planOnly;

    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description = "Take weight files of this variant, such as bf16 for model.bf16.safetensors.")
    private @Nullable String variant;

    @Option(
            names = "--cache",
            paramLabel = "DIR",
            description =
                    "Folder to keep converted weights in (default: $$ZIMAGE_CACHE, or that of the platform, for large"
                            + " ones).")
    private @Nullable Path cache;

    @Option(names = "--no-cache", description = "Convert weights in memory each time, and keep none.")
    private boolean noCache;

    @Option(
            names = "--max-prompt-tokens",
            paramLabel = "N",
            defaultValue = "512",
            description = "Longest prompt in tokens, template included (default: ${DEFAULT-VALUE}).")
    private int maxPromptTokens;

    @Option(names = "--truncate-prompt", description = "Cut off a prompt that is too long, instead of refusing it.")
    private boolean truncatePrompt;

    @Option(
            names = "--out",
            paramLabel = "F.png",
            defaultValue = "zimage.png",
            description = "File for the picture (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(
            names = "--latents-out",
            paramLabel = "F.safetensors",
            description =
                    "File for the final latents before the VAE: one FP32 tensor [count, channels, height, width].")
    private @Nullable Path latentsOut;

    @Option(names = "--no-metadata", description = "Do not write prompt and parameters into the picture.")
    private boolean noMetadata;

    @Override
    public Integer call() {
        String prompt = prompt();
        Path chosen = chosenModel(model);
        int pixels = chosen == null ? DemoModel.SIZE : GenerationRequest.DEFAULT_SIZE;
        PipelineBuilder builder = pipeline(chosen == null ? DemoModel.path() : chosen);
        GenerationRequest request = request(builder, prompt, pixels);
        builder.planFor(request);
        if (planOnly) {
            spec.commandLine()
                    .getOut()
                    .println(Terminal.printable(builder.plan().toString()));
            return 0;
        }
        List<Path> files = files(request);
        checkFiles(files);
        PrintWriter stdout = spec.commandLine().getOut();
        if (chosen == null) {
            spec.commandLine()
                    .getErr()
                    .println("zimage: no model chosen, so the demo model draws, which knows a small world only"
                            + " (--model takes the folder of a real one)");
        }
        if (negative != null && guidance == 0) {
            spec.commandLine().getErr().println("zimage: --negative has no effect while --guidance is 0");
        }

        try (Progress progress = main.progress()) {
            builder.listener(progress).check(request);
            long start = System.nanoTime();
            try (ZImagePipeline pipeline = builder.build()) {
                Duration load = Duration.ofNanos(System.nanoTime() - start);
                progress.startGeneration(request.steps());
                List<GeneratedImage> images = pipeline.generateAll(request, progress);
                progress.end();
                save(images, files);
                print(stdout, images, files, load, memory(pipeline, request));
            }
        }
        return 0;
    }

    private enum Lint {
        OFF,
        WARN,
        FIX
    }

    private String prompt() {
        if (words != null && promptOption != null) {
            throw new IllegalArgumentException(
                    "give one prompt, but there were '%s' and --prompt '%s'; quote a prompt of several words"
                            .formatted(words, promptOption));
        }
        String prompt = words == null ? promptOption : words;
        if (prompt == null) {
            throw new IllegalArgumentException("nothing to draw: give a prompt, as in zimage generate \"a red fox\"");
        }
        return prompt;
    }

    /** Returns the model that was chosen, or {@code null} for the demo model. */
    static @Nullable Path chosenModel(@Nullable Path option) {
        String variable = System.getenv(MODEL_VARIABLE);
        if (option == null && variable != null && !variable.isEmpty()) {
            return Path.of(variable);
        }
        return option;
    }

    /** Returns the prompt to draw, and says on the standard error stream what was found in it. */
    private String lintedPrompt(PipelineBuilder pipeline, String prompt) {
        if (lint == Lint.OFF) {
            return prompt;
        }
        PromptLint linted = linter(pipeline).lint(prompt);
        PrintWriter err = spec.commandLine().getErr();
        for (LintFinding finding : linted.findings()) {
            err.println("zimage: " + Terminal.oneLine(finding.code() + ": " + finding.message(Locale.ENGLISH)));
        }
        if (lint == Lint.WARN || linted.fixed().equals(prompt)) {
            return prompt;
        }
        err.println("zimage: drawn is: " + Terminal.oneLine(linted.fixed()));
        return linted.fixed();
    }

    private PromptLinter linter(PipelineBuilder pipeline) {
        return PromptLinter.builder()
                .tokens(pipeline::countTokens)
                .tokenLimit(maxPromptTokens)
                .build();
    }

    private GenerationRequest request(PipelineBuilder pipeline, String prompt, int pixels) {
        checkChoices();
        String drawn = lintedPrompt(pipeline, prompt);
        GenerationRequest.Builder builder = GenerationRequest.builder()
                .prompt(drawn)
                .sigmas(sigmas)
                .guidance(guidance)
                .cfgNormalization(cfgNormalization)
                .cfgTruncation(cfgTruncation)
                .count(count);
        if (negative != null) {
            builder.negativePrompt(negative);
        }
        setSize(builder, drawn, pixels);
        setSteps(builder, drawn);
        if (!seeds.isEmpty()) {
            builder.seeds(seeds);
        } else if (seed != null) {
            builder.seed(seed);
        } else if (preview) {
            builder.seed(new SecureRandom().nextLong() >>> 32); // the names of the files tell it
        }
        GenerationRequest request = builder.build();
        return preview ? request.preview() : request;
    }

    private void checkChoices() {
        if (!seeds.isEmpty() && (seed != null || count != 1)) {
            throw new IllegalArgumentException("--seeds stands for --seed and --count: give it or them");
        }
        if (seeds.stream().distinct().count() < seeds.size()) {
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

    private void setSize(GenerationRequest.Builder builder, String drawn, int pixels) {
        if (size == null) {
            builder.size(width == null ? pixels : width, height == null ? pixels : height);
        } else if (size.equalsIgnoreCase(AUTO)) {
            SizeAdvisor.Advice advice = SizeAdvisor.create().advise(drawn);
            spec.commandLine().getErr().println("zimage: " + advice.message(Locale.ENGLISH));
            builder.size(advice.pixels(), advice.pixels());
        } else {
            builder.size(ImageSize.of(size));
        }
    }

    private void setSteps(GenerationRequest.Builder builder, String drawn) {
        if (steps == null) {
            return;
        }
        if (steps.equalsIgnoreCase(AUTO)) {
            StepAdvisor.Advice advice = StepAdvisor.advise(drawn);
            spec.commandLine().getErr().println("zimage: " + advice.message(Locale.ENGLISH));
            builder.steps(advice.steps());
        } else {
            builder.steps(Integer.parseInt(steps));
        }
    }

    private List<Path> files(GenerationRequest request) {
        String name = out.toString();
        if (!name.toLowerCase(Locale.ROOT).endsWith(".png")) {
            throw new IllegalArgumentException("--out must end in .png, but was '" + name + "'");
        }
        boolean withSeeds = preview || !seeds.isEmpty();
        if (request.count() == 1 && !withSeeds) {
            return List.of(out);
        }
        int dot = name.length() - ".png".length();
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < request.count(); i++) {
            String suffix = withSeeds ? "-seed" + request.seedOf(i, 0) : "-" + (i + 1);
            files.add(Path.of(name.substring(0, dot) + suffix + name.substring(dot)));
        }
        return files;
    }

    private void checkFiles(List<Path> files) {
        files.forEach(OutputFile::check);
        if (latentsOut != null) {
            OutputFile.check(latentsOut);
            Path latents = latentsOut.toAbsolutePath().normalize();
            if (files.stream()
                    .anyMatch(file -> file.toAbsolutePath().normalize().equals(latents))) {
                throw new IllegalArgumentException("--out and --latents-out must differ, but both were " + latentsOut);
            }
        }
    }

    private PipelineBuilder pipeline(Path folder) {
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(folder)
                .vaeTiling(VaeTiling.parse(vaeTiling))
                .maxPromptTokens(maxPromptTokens)
                .promptOverflow(truncatePrompt ? PromptOverflow.TRUNCATE : PromptOverflow.ERROR);
        if (profile != null) {
            builder.profile(profile);
        }
        if (precision != null) {
            builder.precision(precision);
        }
        if (attention != null) {
            builder.attention(new AttentionBackend(attention));
        }
        if (vaePrecision != null) {
            builder.precision(Component.VAE, vaePrecision);
        }
        if (variant != null) {
            builder.variant(variant);
        }
        if (cache != null && noCache) {
            throw new IllegalArgumentException("--cache and --no-cache exclude each other");
        }
        if (cache != null) {
            builder.conversionCache(ConversionCache.in(cache));
        } else if (noCache) {
            builder.conversionCache(ConversionCache.off());
        }
        if (memory != null) {
            builder.memoryBudget(memory);
        }
        places.place(builder);
        return builder;
    }

    private void save(List<GeneratedImage> images, List<Path> files) {
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = images.get(i);
            (noMetadata ? image.withoutMetadata() : image).save(files.get(i));
        }
        if (latentsOut != null) {
            Latents.save(
                    latentsOut, images.stream().map(GeneratedImage::latents).toList());
        }
    }

    /** Returns what was in use at the peak beside what was predicted, in a few words. */
    private static String memory(ZImagePipeline pipeline, GenerationRequest request) {
        String predicted = new MemorySize(pipeline.plan(request).peaks().highest()) + " predicted";
        return pipeline.measuredPeaks()
                .map(found -> "memory %s, %s".formatted(new MemorySize(found.highest()), predicted))
                .orElse("memory " + predicted);
    }

    private void print(
            PrintWriter stdout, List<GeneratedImage> images, List<Path> files, Duration load, String memory) {
        for (int i = 0; i < images.size(); i++) {
            GeneratedImage image = images.get(i);
            stdout.printf("%s  %dx%d, seed %d%n", files.get(i), image.width(), image.height(), image.seed());
        }
        if (latentsOut != null) {
            stdout.println(latentsOut + "  latents");
        }
        stdout.println("load " + Times.seconds(load) + ", "
                + Times.summary(images.get(images.size() - 1).timings())
                + "; " + memory);
    }
}
