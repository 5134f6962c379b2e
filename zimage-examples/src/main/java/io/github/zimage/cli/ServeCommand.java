package io.github.zimage.cli;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImageModel;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.serve.ImageServer;
import io.github.zimage.serve.MemoryBound;
import io.github.zimage.serve.PipelineBackend;
import io.github.zimage.serve.ServerOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Serves pictures over HTTP. */
@Command(
        name = "serve",
        description = "Serves pictures over HTTP: a page for people, OpenAI's images API, and one of its own.",
        sortOptions = false,
        footer = {
            "",
            "Whoever calls must show a key that the environment variable " + HttpOptions.KEY_VARIABLE
                    + " holds, if it is set:",
            "Authorization: Bearer KEY. Several are separated by spaces. docs/service.md says more."
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ServeCommand implements Callable<Integer> {
    private static final int MUST_START_AGAIN = 75;
    private static final int MULTIPLE = 16;
    /** As many pixels as OpenAI's largest size, 1792 x 1024, has, where pictures are 1024 wide. */
    private static final double LARGEST = Math.sqrt(1.75);

    private static final Duration DRAIN = Duration.ofSeconds(30);

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOptions model;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "What the model is called in the API (default: the name of its folder).")
    private @Nullable String name;

    @Mixin
    private HttpOptions http;

    @Option(
            names = "--concurrency",
            paramLabel = "N",
            defaultValue = "3",
            description = "How many requests are handed to the pipeline at once, which draws them one after the other;"
                    + " the others wait in the queue (default: ${DEFAULT-VALUE}).")
    private int concurrency;

    @Option(
            names = "--queue",
            paramLabel = "N",
            defaultValue = "32",
            description = "How many requests may wait beside those (default: ${DEFAULT-VALUE}).")
    private int queue;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            defaultValue = "300s",
            converter = TimeConverter.class,
            description = "How long a request may be drawn, such as 300s or 10m (default: ${DEFAULT-VALUE}).")
    private Duration timeout;

    @Option(
            names = "--size",
            paramLabel = "PIXELS",
            description = "Width and height unless a request says otherwise (default: 1024; demo model: 128; or"
                    + " --max-size, if that is less).")
    private @Nullable Integer size;

    @Option(
            names = "--max-size",
            paramLabel = "PIXELS",
            description = "Largest picture: one with the area of such a square (default: 1.33 times --size, which is"
                    + " enough for 1792x1024 where that is 1024).")
    private @Nullable Integer maxSize;

    @Option(
            names = "--max-count",
            paramLabel = "N",
            defaultValue = "4",
            description = "Most pictures of a request (default: ${DEFAULT-VALUE}).")
    private int maxCount;

    @Option(
            names = "--max-steps",
            paramLabel = "N",
            defaultValue = "50",
            description = "Most steps of a request (default: ${DEFAULT-VALUE}).")
    private int maxSteps;

    @Mixin
    private LoraOptions loras;

    @Mixin
    private ControlModelOption controlModel;

    @Mixin
    private ComputeOptions compute;

    @Mixin
    private ThreadOptions threads;

    @Mixin
    private MemoryOptions memory;

    @Option(
            names = "--memory-limit",
            paramLabel = "SIZE",
            converter = MemoryOptions.SizeConverter.class,
            description = "Another name of --memory.")
    void setMemoryLimit(MemorySize limit) {
        memory.set(limit);
    }

    @Mixin
    private PlacementOptions places;

    @Mixin
    private CacheOptions cache;

    @Mixin
    private ReadOptions reading;

    @Option(
            names = "--upscaler-dir",
            paramLabel = "DIR",
            description = "Folder of upscalers that requests can name by their files' names without endings.")
    private @Nullable Path upscalers;

    @Override
    public Integer call() throws Exception {
        System.setProperty("zimage.log.date", "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} ");
        int side = size != null ? size : defaultSize(model.defaultSize(), maxSize);
        int largest = maxSize != null ? maxSize : largest(side);
        ServerOptions options = http.options(System.getenv(HttpOptions.KEY_VARIABLE))
                .model(name())
                .concurrency(concurrency)
                .queue(queue)
                .timeout(timeout)
                .size(side)
                .maxPixels((long) largest * largest)
                .maxCount(maxCount)
                .maxSteps(maxSteps)
                .drain(DRAIN)
                .loraFolder(loras.folder())
                .upscalerFolder(upscalers)
                .controlled(controlModel.isGiven())
                .build();
        PipelineBuilder builder = builder(largest);
        AtomicReference<@Nullable ZImageModel> first = new AtomicReference<>(model.open());
        builder.model(Objects.requireNonNull(first.get())).plan(); // says at once what cannot be
        ExecutorService encoder = Executors.newFixedThreadPool(2, task -> {
            Thread thread = new Thread(task, "zimage-png");
            thread.setDaemon(true);
            return thread;
        });
        MemorySize limit = memory.memory();
        try (ImageServer server = ImageServer.of(
                options,
                limit == null ? MemoryBound.ofSystem() : new MemoryBound(limit.bytes(), "--memory"),
                () -> {
                    // Files may have changed since: what is built anew is opened anew.
                    try (ZImageModel opened = Objects.requireNonNullElseGet(first.getAndSet(null), model::open)) {
                        return new PipelineBackend(builder.model(opened).build(), encoder, side);
                    }
                },
                ServeCommand::giveUp)) {
            serve(server, options);
        } finally {
            encoder.shutdown();
        }
        return 0;
    }

    /**
     * Returns the width and height of pictures for which none is named: the model's, or the largest that is allowed.
     *
     * @param most the side of the largest square; null if it follows the default
     * @throws IllegalArgumentException if no picture is that small, or so large
     */
    static int defaultSize(int usual, @Nullable Integer most) {
        if (most == null) {
            return usual;
        }
        if (most < MULTIPLE || most > ImageSize.MAX_SIDE) {
            throw new IllegalArgumentException(
                    "--max-size must be between %d and %d, but was %d".formatted(MULTIPLE, ImageSize.MAX_SIDE, most));
        }
        return Math.min(usual, most / MULTIPLE * MULTIPLE);
    }

    /** Returns the side of a square with as many pixels as a picture may have. */
    static int largest(int side) {
        return (int) Math.ceil(side * LARGEST / MULTIPLE) * MULTIPLE;
    }

    private void serve(ImageServer server, ServerOptions options) throws InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        try {
            int actual = listen(server, options);
            err.printf("zimage: loading %s%n", ShownText.joined(options.model()));
            long start = System.nanoTime();
            server.open();
            err.printf(
                    Locale.ROOT,
                    "zimage: ready after %.1f s, on http://%s:%d/%n",
                    (System.nanoTime() - start) / 1e9,
                    options.host().contains(":") ? "[" + options.host() + "]" : options.host(),
                    actual);
            new CountDownLatch(1).await();
        } catch (InterruptedException e) {
            drain(server, err);
        } catch (GenerationCancelledException e) {
            if (!Thread.interrupted()) {
                throw e;
            }
            drain(server, err);
        }
    }

    private static int listen(ImageServer server, ServerOptions options) throws InterruptedException {
        try {
            return server.listen();
        } catch (IOException e) {
            String advice = options.port() == 0 ? "" : "; choose another one with --port";
            throw new UncheckedIOException(e.getMessage() + advice, e);
        }
    }

    private static void drain(ImageServer server, PrintWriter err) throws InterruptedException {
        err.println("zimage: ending, once what is being drawn is done");
        server.drain();
    }

    /** Nothing is closed: what hangs would hang the closing too. */
    private static void giveUp(String why) {
        LoggerFactory.getLogger(ImageServer.class).error("Giving up, to be started again: {}", why);
        Runtime.getRuntime().halt(MUST_START_AGAIN);
    }

    private PipelineBuilder builder(int largest) {
        int side = Math.max(MULTIPLE, largest / MULTIPLE * MULTIPLE);
        PipelineBuilder builder = ZImagePipeline.builder()
                .closeAtShutdown(false)
                .planFor(GenerationRequest.builder()
                        .prompt("")
                        .size(side, side)
                        .count(maxCount)
                        .build());
        loras.apply(builder);
        controlModel.apply(builder);
        compute.apply(builder);
        threads.apply(builder);
        memory.apply(builder);
        places.apply(builder);
        cache.apply(builder);
        reading.apply(builder);
        return builder;
    }

    private String name() {
        return name != null ? name : model.name();
    }

    /** Reads {@code 300s}. */
    static final class TimeConverter implements ITypeConverter<Duration> {
        private static final Pattern TIME = Pattern.compile("([0-9]{1,6})([smh])?");

        @Override
        public Duration convert(String text) {
            Matcher matcher = TIME.matcher(text.toLowerCase(Locale.ROOT));
            if (!matcher.matches()) {
                throw new TypeConversionException("must be a time such as 300s, 10m or 1h, but was '" + text + "'");
            }
            long number = Long.parseLong(matcher.group(1));
            String unit = Objects.requireNonNullElse(matcher.group(2), "s");
            return switch (unit) {
                case "h" -> Duration.ofHours(number);
                case "m" -> Duration.ofMinutes(number);
                default -> Duration.ofSeconds(number);
            };
        }
    }
}
