package io.github.zimage.cli;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImageModel;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.placement.MemoryPlan;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
            "  zimage generate --model Z-Image-Turbo --out fox.png \"a red fox in the snow\"",
            "  zimage generate --model Z-Image-Turbo --image fox.png --strength 0.5 \"a red fox in the snow, oil painting\""
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class GenerateCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOptions model;

    @Mixin
    private PromptOptions prompts;

    @Mixin
    private FromOption from;

    @Mixin
    private LoraOptions loras;

    @Option(
            names = "--prompt-loras",
            description = "Read LoRAs of --lora-dir in the prompt too, as in \"a fox <lora:NAME:0.8>\".")
    private boolean promptLoras;

    @Mixin
    private RequestOptions options;

    @Mixin
    private ImageToImageOptions imageToImage;

    @Mixin
    private UpscalerOption upscaler;

    @Mixin
    private ControlOptions controls;

    @Mixin
    private ComputeOptions compute;

    @Mixin
    private ThreadOptions threads;

    @Mixin
    private MemoryOptions memory;

    @Mixin
    private PlacementOptions places;

    @Mixin
    private CacheOptions cache;

    @Mixin
    private ReadOptions reading;

    @Option(
            names = "--plan",
            description = "Print where the weights would be and how much memory that would need, and draw nothing.")
    private boolean planOnly;

    @Mixin
    private OutputOptions output;

    @Mixin
    private PreviewOptions previews;

    @Override
    public Integer call() {
        ImageParameters parameters = from.parameters();
        String given = prompts.prompt(parameters == null ? null : parameters.prompt());
        PipelineBuilder builder = settings();
        options.check();
        try (LazyModel opened = new LazyModel(model::open)) {
            return call(given, parameters, builder, opened);
        }
    }

    private int call(String given, @Nullable ImageParameters parameters, PipelineBuilder builder, LazyModel opened) {
        PrintWriter err = main.notes(spec.commandLine().getErr());
        PrintWriter out = spec.commandLine().getOut();
        LoraTags tags = promptLoras ? LoraTags.of(given) : new LoraTags(given, List.of());
        String prompt = prompts.lint(
                tags.prompt(),
                options.guidance(),
                options.nagScale(),
                words -> opened.get().countTokens(words),
                err);
        List<ControlImage> followed = controls.controls();
        GenerationRequest plain = options.request(
                FromOption.request(parameters),
                prompt,
                prompts.negative(),
                imageToImage.read(),
                parameters == null && followed.isEmpty() ? model.defaultSize() : null,
                err);
        GenerationRequest request = upscaler.applied(loras.applied(
                followed.isEmpty()
                        ? plain
                        : plain.toBuilder().controls(followed).build(),
                tags.loras(),
                err));
        builder.planFor(request);
        if (planOnly) {
            MemoryPlan plan = builder.model(opened.get()).plan();
            out.println(ShownText.lines(plan.toString()));
            return 0;
        }
        previews.check(request);
        GenerationRequest drawn = output.needsSeed() ? request.withSeed() : request;
        List<Path> files = output.files(drawn, options.namesSeeds());
        sayWhatMayNotBeMeant(drawn, parameters, opened.get(), err);
        draw(builder.model(opened.get()), drawn, files, out);
        return 0;
    }

    private PipelineBuilder settings() {
        PipelineBuilder builder = ZImagePipeline.builder();
        prompts.apply(builder);
        loras.applyFolder(builder);
        compute.apply(builder);
        threads.apply(builder);
        cache.apply(builder);
        reading.apply(builder);
        memory.apply(builder);
        places.apply(builder);
        controls.apply(builder);
        return builder;
    }

    private void sayWhatMayNotBeMeant(
            GenerationRequest request, @Nullable ImageParameters parameters, ZImageModel opened, PrintWriter err) {
        if (model.isDemo()) {
            err.println("zimage: no model chosen, so the demo model draws, which knows a small world only"
                    + " (--model takes the folder of a real one)");
        }
        String own = opened.info().name();
        if (parameters != null && !parameters.model().equals(own)) {
            err.println("zimage: the settings are those of a picture by %s, but %s draws"
                    .formatted(ShownText.joined(parameters.model()), ShownText.joined(own)));
        }
        options.sayWhatHasNoEffect(request, err);
    }

    private void draw(PipelineBuilder builder, GenerationRequest request, List<Path> files, PrintWriter out) {
        try (Progress progress = main.progress()) {
            builder.listener(progress).check(request);
            long start = System.nanoTime();
            try (ZImagePipeline pipeline = builder.build()) {
                Duration load = Duration.ofNanos(System.nanoTime() - start);
                progress.writePreviews(previews.files());
                progress.startGeneration(request.steps(), cache(request));
                List<GeneratedImage> images = pipeline.generateAll(request, progress);
                progress.end();
                List<Path> saved = output.save(images, files, options.namesSeeds());
                output.print(out, main.isQuiet(), DrawnPictures.of(images, saved, load, pipeline, request));
            }
        }
    }

    private static StepCache cache(GenerationRequest request) {
        return Objects.requireNonNullElse(request.sampling().stepCache(), StepCache.OFF);
    }
}
