package io.github.zimage.cli;

import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImageModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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

    @Mixin
    private CheckpointOptions checkpoint;

    @Mixin
    private PrecisionOption precision;

    @Mixin
    private CacheOptions cache;

    @Option(names = "--precision", hidden = true, description = "Another name of --dtype.")
    void setPrecision(Precision chosen) {
        precision.set(chosen);
    }

    @Option(names = "--to", hidden = true, description = "Another name of --cache.")
    void setCache(Path folder) {
        cache.set(folder);
    }

    @Override
    public Integer call() {
        long start = System.nanoTime();
        List<Path> files;
        try (ZImageModel model = checkpoint.open();
                Progress progress = main.progress()) {
            PipelineBuilder builder = model.pipeline();
            precision.apply(builder);
            cache.apply(builder);
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
