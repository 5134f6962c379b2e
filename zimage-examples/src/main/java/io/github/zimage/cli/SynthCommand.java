package io.github.zimage.cli;

import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Writes a checkpoint with random weights. */
@Command(
        name = "synth",
        description = "Writes a checkpoint with random weights, to measure and tune with. It paints nothing sensible.",
        sortOptions = false)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class SynthCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder to write, new or empty.")
    private Path folder;

    @Option(
            names = "--size",
            required = true,
            paramLabel = "turbo|tiny",
            description = "turbo: the shapes of Z-Image-Turbo, 20.5 GB as bf16; tiny: a few megabytes.")
    private SyntheticModel.Size size;

    @Option(
            names = "--dtype",
            paramLabel = "fp32|bf16",
            defaultValue = "bf16",
            description = "Number format to store the weights in (default: ${DEFAULT-VALUE}).")
    private Precision precision;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Seed of the weights (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Override
    public Integer call() {
        long total = SyntheticModel.byteSize(size, precision);
        String task = "write " + size.name().toLowerCase(Locale.ROOT);
        long start = System.nanoTime();
        try (Progress progress = main.progress()) {
            SyntheticModel.write(folder, size, precision, seed, done -> progress.showBytes(task, done, total));
        }
        spec.commandLine()
                .getOut()
                .printf(
                        Locale.ROOT,
                        "%s  %,.1f MB in %s%n",
                        folder,
                        total / 1e6,
                        Times.seconds(Duration.ofNanos(System.nanoTime() - start)));
        return 0;
    }
}
