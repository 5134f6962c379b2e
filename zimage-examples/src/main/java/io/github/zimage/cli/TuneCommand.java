package io.github.zimage.cli;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ModelInfo;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.Profile;
import io.github.zimage.ZImageException;
import io.github.zimage.ZImagePipeline;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
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
    /** By so many tokens a pipeline is warm: small models run on code that the JVM has yet to compile. */
    private static final long WARM_TOKENS = 8192;

    /** Pictures so small that these do not warm up take no time anyway. */
    private static final int MOST_PICTURES = 32;

    /** Width and height of what is one token. */
    private static final int TOKEN_PIXELS = 16;

    private static final long POLL_MILLIS = 100;

    /** Less than this from the most precise picture is a loss that is seen. */
    private static final double LEAST_DECIBELS = 30;

    /** A candidate of which a step, or whatever else, takes longer than the longest of the best so far by this is given up. */
    private static final double PATIENCE = 3;

    /** How much of the machine's memory the weights may take for FP32 to be tried. */
    private static final double MEMORY_SHARE = 0.8;

    private static final String PROMPT = "a red fox in the snow, early morning light";

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
            names = "--size",
            paramLabel = "PIXELS",
            defaultValue = "512",
            description = "Width and height of the pictures to tune for (default: ${DEFAULT-VALUE}).")
    private int size;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "8",
            description = "Steps of the pictures to tune for (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(
            names = "--out",
            paramLabel = "F.json",
            defaultValue = "profile.json",
            description = "File for the profile (default: ${DEFAULT-VALUE}).")
    private Path out;

    /**
     * What one candidate took and drew.
     *
     * @param step the fastest of its steps, which is a warm one
     * @param longest the longest time it let us wait for anything
     * @param image its last picture
     */
    private record Measurement(
            Precision precision,
            String attention,
            Duration load,
            Duration step,
            Duration longest,
            GeneratedImage image) {
        Duration decode() {
            return image.timings().decode();
        }

        Duration picture(int steps) {
            return step().multipliedBy(steps).plus(decode());
        }

        /** Returns the peak signal-to-noise ratio to another candidate's picture in decibels, 99 if they are the same. */
        double fidelity(Measurement other) {
            byte[] a = image.rgb();
            byte[] b = other.image.rgb();
            double sum = 0;
            for (int i = 0; i < a.length; i++) {
                double difference = (a[i] & 0xff) - (b[i] & 0xff);
                sum += difference * difference;
            }
            return sum == 0 ? 99 : Math.min(99, 10 * Math.log10(255.0 * 255.0 * a.length / sum));
        }

        String name() {
            return lowerCase(precision) + " with " + attention;
        }
    }

    @Override
    public Integer call() {
        OutputFile.check(out);
        ZImagePipeline.builder().model(model).check(request(steps));
        PrintWriter stdout = spec.commandLine().getOut();
        stdout.printf(
                "%-6s %-10s %9s %9s %9s %12s %10s%n",
                "dtype", "attention", "load", "step", "decode", "picture", "fidelity");

        List<Measurement> measured = new ArrayList<>();
        for (Precision precision : precisions()) {
            measure(precision, AttentionBackend.AUTO, measured);
        }
        if (measured.isEmpty()) {
            throw new OutOfDeviceMemoryException("no setting had enough memory for a picture of this size");
        }
        Measurement best = best(measured);
        for (AttentionBackend backend :
                List.of(AttentionBackend.BLOCKWISE, AttentionBackend.SDPA, AttentionBackend.FLASH)) {
            if (!backend.name().equals(best.attention())) {
                measure(best.precision(), backend, measured);
            }
        }
        best = best(measured);

        profile(best, model).write(out);
        recommend(stdout, best, measured);
        return 0;
    }

    private GenerationRequest request(int steps) {
        return GenerationRequest.builder()
                .prompt(PROMPT)
                .size(size, size)
                .steps(steps)
                .seed(1)
                .build();
    }

    /** Returns the number formats to try, the most precise first. */
    private List<Precision> precisions() {
        long parameters = ModelInfo.read(model).parts().stream()
                .mapToLong(ModelInfo.Part::parameters)
                .sum();
        List<Precision> precisions = new ArrayList<>(List.of(Precision.FP32, Precision.BF16, Precision.INT8));
        if (parameters * Precision.FP32.bytes() > MEMORY_SHARE * memory()) {
            precisions.remove(Precision.FP32);
            spec.commandLine().getErr().println("zimage: fp32 is left out: its weights do not fit into memory");
        }
        return precisions;
    }

    private static double memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : Double.POSITIVE_INFINITY;
    }

    /** Measures a candidate and says so, unless it takes far longer than the best so far or does not run here. */
    private void measure(Precision precision, AttentionBackend backend, List<Measurement> measured) {
        long start = System.nanoTime();
        try (Progress progress = main.progress();
                ZImagePipeline pipeline =
                        builder(precision, backend).listener(progress).build()) {
            Duration load = Duration.ofNanos(System.nanoTime() - start);
            Watch watch = new Watch(progress);
            GeneratedImage image = null;
            for (int picture = 0; picture < pictures() && (picture == 0 || image != null); picture++) {
                progress.startGeneration(steps);
                image = drawn(pipeline, watch, limit(measured));
                progress.end();
            }
            if (image == null) {
                spec.commandLine()
                        .getErr()
                        .println("zimage: %s with %s is given up: far slower than the best"
                                .formatted(lowerCase(precision), backend.name()));
                return;
            }
            Measurement measurement = new Measurement(
                    precision, pipeline.attentionBackend(), load, watch.fastestStep(), watch.longest(), image);
            measured.add(measurement);
            print(measurement, measured);
        } catch (GenerationCancelledException | ModelLoadException e) {
            throw e;
        } catch (ZImageException e) { // too little memory, or a processor without the instructions
            spec.commandLine()
                    .getErr()
                    .println("zimage: %s with %s is left out: %s"
                            .formatted(
                                    lowerCase(precision),
                                    backend.name(),
                                    Terminal.oneLine(String.valueOf(e.getMessage()))));
        }
    }

    /** Returns how many pictures are drawn, until a step is as fast as it gets. */
    private int pictures() {
        long tokens = (long) (size / TOKEN_PIXELS) * (size / TOKEN_PIXELS) * steps;
        long warm = (WARM_TOKENS + tokens - 1) / tokens;
        return (int) Math.min(MOST_PICTURES, Math.max(warm, steps == 1 ? 2 : 1));
    }

    /** Hears of a candidate's pictures, and for how long nothing has happened. */
    private static final class Watch implements GenerationListener {
        private final Progress progress;
        private final List<Duration> steps = new ArrayList<>();
        private Duration longest = Duration.ZERO;
        private long latest = System.nanoTime();

        Watch(Progress progress) {
            this.progress = progress;
        }

        synchronized void start() {
            latest = System.nanoTime();
        }

        private synchronized void happened() {
            Duration waited = waited();
            longest = waited.compareTo(longest) > 0 ? waited : longest;
            latest = System.nanoTime();
        }

        synchronized Duration waited() {
            return Duration.ofNanos(System.nanoTime() - latest);
        }

        synchronized Duration longest() {
            return longest;
        }

        /** Returns the fastest step but the first, which warms up. */
        synchronized Duration fastestStep() {
            return steps.stream().skip(1).min(Comparator.naturalOrder()).orElseThrow();
        }

        @Override
        public void onEncode(Duration elapsed) {
            happened();
            progress.onEncode(elapsed);
        }

        @Override
        public synchronized void onStep(int step, int count, Duration elapsed) {
            happened();
            steps.add(elapsed);
            progress.onStep(step, count, elapsed);
        }

        @Override
        public void onDecode(int index, int count, Duration elapsed) {
            happened();
            progress.onDecode(index, count, elapsed);
        }
    }

    private PipelineBuilder builder(Precision precision, AttentionBackend backend) {
        PipelineBuilder builder =
                ZImagePipeline.builder().model(model).attention(backend).planFor(request(steps));
        formats(precision).forEach(builder::precision);
        return builder;
    }

    /** The VAE does not compute in 8 bits. */
    private static Map<Component, Precision> formats(Precision precision) {
        Map<Component, Precision> formats = new EnumMap<>(Component.class);
        for (Component component : Component.values()) {
            boolean eightBits = precision.isEightBit();
            formats.put(component, eightBits && component == Component.VAE ? Precision.BF16 : precision);
        }
        return formats;
    }

    private static Duration limit(List<Measurement> measured) {
        return measured.stream()
                .min(Comparator.comparing(Measurement::step))
                .map(best -> best.longest().plusSeconds(1).multipliedBy((long) PATIENCE))
                .orElse(Duration.ofDays(1));
    }

    /** Returns a picture, or null if something takes longer than a limit. */
    private @Nullable GeneratedImage drawn(ZImagePipeline pipeline, Watch watch, Duration limit) {
        watch.start();
        CompletableFuture<List<GeneratedImage>> future = pipeline.generateAsync(request(steps), watch);
        try {
            while (true) {
                try {
                    return future.get(POLL_MILLIS, TimeUnit.MILLISECONDS).get(0);
                } catch (TimeoutException e) {
                    if (watch.waited().compareTo(limit) > 0) {
                        future.cancel(true);
                        return null;
                    }
                }
            }
        } catch (InterruptedException e) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new GenerationCancelledException("the tuning was interrupted", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
    }

    private void print(Measurement each, List<Measurement> measured) {
        spec.commandLine()
                .getOut()
                .printf(
                        "%-6s %-10s %9s %9s %9s %12s %10s%n",
                        lowerCase(each.precision()),
                        each.attention(),
                        Times.seconds(each.load()),
                        Times.seconds(each.step()),
                        Times.seconds(each.decode()),
                        Times.seconds(each.picture(steps)),
                        measured.size() == 1 ? "reference" : decibels(each, measured.get(0)));
    }

    private Measurement best(List<Measurement> measured) {
        return measured.stream()
                .filter(each -> each.fidelity(measured.get(0)) >= LEAST_DECIBELS)
                .min(Comparator.comparing(each -> each.picture(steps)))
                .orElseThrow();
    }

    private static Profile profile(Measurement best, Path model) {
        return new Profile(Profile.modelKey(model), formats(best.precision()), new AttentionBackend(best.attention()));
    }

    private void recommend(PrintWriter stdout, Measurement best, List<Measurement> measured) {
        Measurement mostPrecise = measured.get(0);
        String words = "Take %s: a picture of %d by %d pixels in %d steps takes about %s."
                .formatted(best.name(), size, size, steps, Times.seconds(best.picture(steps)));
        if (best.precision() != mostPrecise.precision()) {
            words += " That is %.1f times as fast as %s, and its picture is %s from that."
                    .formatted(
                            (double) mostPrecise.picture(steps).toNanos()
                                    / best.picture(steps).toNanos(),
                            mostPrecise.name(),
                            decibels(best, mostPrecise));
        }
        stdout.println();
        stdout.println(words);
        for (Measurement each : measured) {
            if (each.fidelity(mostPrecise) < LEAST_DECIBELS) {
                stdout.printf(
                        "%s is not taken: its picture is %s from that of %s, and below %.0f dB it can be seen.%n",
                        each.name(), decibels(each, mostPrecise), mostPrecise.name(), LEAST_DECIBELS);
            }
        }
        stdout.printf("%s  use it with zimage generate --profile, or ZImagePipeline.builder().profile%n", out);
    }

    private static String decibels(Measurement each, Measurement other) {
        return String.format(Locale.ROOT, "%.1f dB", each.fidelity(other));
    }

    private static String lowerCase(Precision precision) {
        return precision.name().toLowerCase(Locale.ROOT);
    }
}
