package io.github.zimage.cli;

import io.github.zimage.ConversionCache;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Converts a checkpoint's weights and keeps them. */
@Command(
        name = "convert",
        description = "Converts weights to the format they are computed with and keeps them, so that programs start at"
                + " once. Those that are there are checked in full, and made anew if they are damaged.",
        sortOptions = false)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ConvertCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout.")
    private Path model;

    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description = "Take weight files of this variant, such as bf16 for model.bf16.safetensors.")
    private @Nullable String variant;

    @Option(
            names = {"--dtype", "--precision"},
            paramLabel = "fp32|bf16",
            defaultValue = "bf16",
            description = "Number format to compute in (default: ${DEFAULT-VALUE}).")
    private Precision precision;

    @Option(
            names = {"--cache", "--to"},
            paramLabel = "DIR",
            description = "Folder to keep them in (default: $$ZIMAGE_CACHE, or that of the platform).")
    private @Nullable Path cache;

    @Override
    public Integer call() {
        PipelineBuilder builder = ZImagePipeline.builder().model(model).precision(precision);
        if (variant != null) {
            builder.variant(variant);
        }
        if (cache != null) {
            builder.conversionCache(ConversionCache.in(cache));
        }
        long start = System.nanoTime();
        List<Path> files;
        try (Progress progress = main.progress()) {
            files = builder.listener(progress).convert();
        }
        PrintWriter out = spec.commandLine().getOut();
        if (files.isEmpty()) {
            out.println("nothing to convert: the weights are stored in the format they are computed with");
            return 0;
        }
        for (Path file : files) {
            out.printf(Locale.ROOT, "%s  %,.1f MB%n", file, file.toFile().length() / 1e6);
        }
        out.println("converted and checked in " + Times.seconds(Duration.ofNanos(System.nanoTime() - start)));
        return 0;
    }
}
