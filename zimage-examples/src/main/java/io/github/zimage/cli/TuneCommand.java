package io.github.zimage.cli;

import io.github.zimage.AttentionBackend;
import io.github.zimage.ImageSize;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.tuning.Profile;
import io.github.zimage.tuning.Tuner;
import io.github.zimage.tuning.TuningListener;
import io.github.zimage.tuning.TuningResult;
import io.github.zimage.tuning.TuningResult.CacheMeasurement;
import io.github.zimage.tuning.TuningResult.Measurement;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Measures which settings are the fastest here, and writes them down. */
@Command(
        name = "tune",
        description =
                "Measures which settings are the fastest for a model on this machine, and writes them into a profile."
                        + " Takes a few minutes with a full-size model; nothing else should run meanwhile.",
        sortOptions = false,
        footer = {
            "",
            "Example:",
            "  zimage tune --model Z-Image-Turbo --out turbo.json",
            "  zimage generate --model Z-Image-Turbo --profile turbo.json --prompt \"a red fox in the snow\""
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class TuneCommand implements Callable<Integer> {
    private static final Path DEFAULT = Path.of("profile.json");
    private static final String ROW = "%-6s %-10s %9s %9s %9s %12s %10s%n";
    private static final String CACHE_ROW = "%-12s %9s %12s %10s%n";

    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Mixin
    private CheckpointOptions checkpoint;

    @Option(
            names = "--size",
            paramLabel = "PIXELS",
            defaultValue = "512",
            description = "Width and height of the pictures to tune for (default: ${DEFAULT-VALUE}).")
    private int size;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "8",
            description =
                    "Steps of the pictures to tune for; from 12 on, step caches are measured too (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--guidance",
            paramLabel = "G",
            defaultValue = "0",
            description =
                    "Guidance of the pictures to tune for; 3 to 5 for the base model (default: ${DEFAULT-VALUE}).")
    private double guidance;

    @Mixin
    private ThreadOptions threads;

    @Mixin
    private MemoryOptions memory;

    @Mixin
    private CacheOptions cache;

    @Option(
            names = {"-o", "--out"},
            paramLabel = "F.json",
            description = "File for the profile, replaced if it is there (default: the first that is not there of"
                    + " profile.json, profile-1.json, profile-2.json ...).")
    private @Nullable Path out;

    @Option(
            names = "--anyway",
            description =
                    "Write the profile even if other programs computed meanwhile, so that the choice may be wrong.")
    private boolean anyway;

    @Override
    public Integer call() {
        if (out == null) {
            OutputFile.checkBeside(DEFAULT);
        } else {
            OutputFile.check(out);
        }
        PrintWriter stdout = spec.commandLine().getOut();
        TuningResult result;
        try (Progress progress = main.progress()) {
            Tuner.Builder tuner = Tuner.builder();
            checkpoint.apply(tuner);
            result = tuner.size(new ImageSize(size, size))
                    .steps(steps)
                    .guidance(guidance)
                    .settings(builder -> {
                        threads.apply(builder);
                        memory.apply(builder);
                        cache.apply(builder);
                    })
                    .listener(new Reporter(progress, stdout, spec.commandLine().getErr(), steps))
                    .pictureListener(progress)
                    .build()
                    .tune();
        }
        boolean kept = result.disturbance().isEmpty() || anyway;
        recommend(stdout, result, kept ? save(result.profile()) : null);
        if (!result.disturbance().isEmpty()) {
            spec.commandLine()
                    .getErr()
                    .printf(
                            "zimage: %s meanwhile, so the times are too long and the choice may be wrong%s%n",
                            result.disturbance(),
                            kept ? "" : ": no profile is written; stop them and tune again, or pass --anyway");
        }
        return kept ? 0 : 1;
    }

    private Path save(Profile profile) {
        Path file = out == null ? OutputFile.reserve(OutputFile.numbered(DEFAULT, 0)) : out;
        boolean done = false;
        try {
            profile.write(file);
            done = true;
        } finally {
            if (!done && out == null) {
                OutputFile.release(file);
            }
        }
        return file;
    }

    /** Prints a row for each candidate, below the bars of the one that is measured. */
    private static final class Reporter implements TuningListener {
        private final Progress progress;
        private final PrintWriter out;
        private final PrintWriter err;
        private final int steps;
        private boolean begun;
        private boolean first = true;

        Reporter(Progress progress, PrintWriter out, PrintWriter err, int steps) {
            this.progress = progress;
            this.out = out;
            this.err = err;
            this.steps = steps;
        }

        @Override
        public void onCandidate(Precision precision, AttentionBackend attention) {
            if (!begun) {
                out.printf(ROW, "dtype", "attention", "load", "step", "decode", "picture", "fidelity");
                begun = true;
            }
        }

        @Override
        public void onPicture() {
            progress.startGeneration(steps);
        }

        @Override
        public void onMeasured(Measurement each) {
            progress.end();
            out.printf(
                    ROW,
                    lowerCase(each.precision()),
                    each.attention().name(),
                    Times.seconds(each.load()),
                    Times.seconds(each.step()),
                    Times.seconds(each.decode()),
                    Times.seconds(each.picture(steps)),
                    first ? "reference" : decibels(each.decibels()));
            first = false;
        }

        @Override
        public void onStepCache(CacheMeasurement each) {
            progress.end();
            boolean none = each.cache().kind() == StepCache.Kind.OFF;
            if (none) {
                out.println();
                out.printf(CACHE_ROW, "step cache", "forwards", "picture", "fidelity");
            }
            out.printf(
                    CACHE_ROW,
                    each.cache(),
                    each.forwards(),
                    Times.seconds(each.picture()),
                    none ? "reference" : decibels(each.decibels()));
        }

        @Override
        public void onLeftOut(Precision precision, AttentionBackend attention, String reason) {
            progress.end();
            err.println("zimage: %s with %s is left out: %s"
                    .formatted(lowerCase(precision), attention.name(), ShownText.joined(reason)));
        }
    }

    private void recommend(PrintWriter stdout, TuningResult result, @Nullable Path file) {
        Measurement best = result.best();
        Measurement reference = result.reference();
        String words = "Take %s: a picture of %d by %d pixels in %d steps takes about %s."
                .formatted(name(best), size, size, steps, Times.seconds(best.picture(steps)));
        if (best.precision() != reference.precision()) {
            words += " That is %.1f times as fast as %s, and its picture is %s from that."
                    .formatted(
                            (double) reference.picture(steps).toNanos()
                                    / best.picture(steps).toNanos(),
                            name(reference),
                            decibels(best.decibels()));
        }
        stdout.println();
        stdout.println(words);
        for (Measurement each : result.measured()) {
            if (!each.isFaithful()) {
                stdout.printf(
                        "%s is not taken: its picture is %s from that of %s, and below %.0f dB it can be seen.%n",
                        name(each), decibels(each.decibels()), name(reference), TuningResult.LEAST_DECIBELS);
            }
        }
        if (!result.caches().isEmpty()) {
            stdout.printf(
                    "Step cache %s: the fastest whose pictures are at least %.0f dB from those without one.%n",
                    result.stepCache(), TuningResult.LEAST_DECIBELS);
        }
        if (file != null) {
            stdout.printf("%s  use it with zimage generate --profile, or ZImagePipeline.builder().profile%n", file);
        }
    }

    private static String name(Measurement each) {
        return lowerCase(each.precision()) + " with " + each.attention().name();
    }

    private static String decibels(double decibels) {
        return String.format(Locale.ROOT, "%.1f dB", decibels);
    }

    private static String lowerCase(Precision precision) {
        return precision.name().toLowerCase(Locale.ROOT);
    }
}
