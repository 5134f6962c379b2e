package io.github.zimage.cli;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationRequest;
import io.github.zimage.MemorySize;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.serve.ImageServer;
import io.github.zimage.serve.PipelineBackend;
import io.github.zimage.serve.ServerOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
            "Whoever calls must show what the environment variable " + ServeCommand.KEY_VARIABLE
                    + " holds, if it is set:",
            "Authorization: Bearer KEY. docs/service.md says more."
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class ServeCommand implements Callable<Integer> {
    static final String KEY_VARIABLE = "ZIMAGE_API_KEY";

    private static final int MUST_START_AGAIN = 75;
    private static final int MULTIPLE = 16;
    private static final double PRINT = 1.25;
    private static final Duration DRAIN = Duration.ofSeconds(30);

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "Folder of a Z-Image checkpoint in the diffusers layout (default: the environment variable "
                    + GenerateCommand.MODEL_VARIABLE + ", else the demo model).")
    private @Nullable Path model;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "What the model is called in the API (default: the name of its folder).")
    private @Nullable String name;

    @Option(
            names = "--host",
            paramLabel = "ADDRESS",
            defaultValue = "127.0.0.1",
            description = "Address to listen on; 0.0.0.0 for all, which asks for an API key"
                    + " (default: ${DEFAULT-VALUE}).")
    private String host;

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "7860",
            description = "Port; 0 for any that is free (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--concurrency",
            paramLabel = "N",
            defaultValue = "3",
            description = "How many requests are handed to the pipeline at once, which draws them one after the other;"
                    + " the others wait in the queue (default: ${DEFAULT-VALUE}).")
    private int concurrency;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "How many threads compute (default: OMP_NUM_THREADS, else one a core).")
    private @Nullable Integer threads;

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
            names = "--memory-limit",
            paramLabel = "SIZE",
            converter = MemoryOptions.SizeConverter.class,
            description =
                    "How much memory the process may have, such as 16g: weights that do not fit are read again whenever"
                            + " they are needed, and the watchdog sees to the rest (default: what the machine has).")
    private @Nullable MemorySize memoryLimit;

    @Option(
            names = "--size",
            paramLabel = "PIXELS",
            description = "Width and height unless a request says otherwise (default: 1024; demo model: 128).")
    private @Nullable Integer size;

    @Option(
            names = "--max-size",
            paramLabel = "PIXELS",
            description = "Largest picture: one with the area of such a square (default: 1.25 times --size).")
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

    @Option(
            names = "--dtype",
            paramLabel = "fp32|bf16|int8",
            description = "Number format to compute in (default: bf16, or what --profile says).")
    private @Nullable Precision precision;

    @Option(
            names = "--profile",
            paramLabel = "F.json",
            description = "Settings that 'zimage tune' found for this model.")
    private @Nullable Path profile;

    @Mixin
    private MemoryOptions places;

    @Override
    public Integer call() throws Exception {
        System.setProperty("zimage.log.date", "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} ");
        Path chosen = GenerateCommand.chosenModel(model);
        int side = size != null ? size : chosen == null ? DemoModel.SIZE : GenerationRequest.DEFAULT_SIZE;
        int largest = maxSize != null ? maxSize : (int) Math.ceil(side * PRINT / MULTIPLE) * MULTIPLE;
        Path folder = chosen == null ? DemoModel.path() : chosen;
        ServerOptions options = new ServerOptions(
                host,
                port,
                name(folder, chosen == null),
                concurrency,
                queue,
                timeout,
                apiKey(),
                side,
                (long) largest * largest,
                maxCount,
                maxSteps,
                DRAIN);
        PipelineBuilder builder = builder(folder, largest);
        builder.plan(); // says at once what cannot be
        ExecutorService encoder = Executors.newFixedThreadPool(2, task -> {
            Thread thread = new Thread(task, "zimage-png");
            thread.setDaemon(true);
            return thread;
        });
        try (ImageServer server = ImageServer.of(
                options,
                memoryLimit == null ? ImageServer.machineMemory() : memoryLimit.bytes(),
                () -> new PipelineBackend(builder.build(), encoder, side),
                ServeCommand::giveUp)) {
            serve(server, options);
        } finally {
            encoder.shutdown();
        }
        return 0;
    }

    private void serve(ImageServer server, ServerOptions options) throws IOException, InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        try {
            int actual = server.listen();
            err.printf("zimage: loading %s%n", Terminal.oneLine(options.model()));
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

    private static void drain(ImageServer server, PrintWriter err) throws InterruptedException {
        err.println("zimage: ending, once what is being drawn is done");
        server.drain();
    }

    /** Nothing is closed: what hangs would hang the closing too. */
    private static void giveUp(String why) {
        LoggerFactory.getLogger(ImageServer.class).error("Giving up, to be started again: {}", why);
        Runtime.getRuntime().halt(MUST_START_AGAIN);
    }

    private PipelineBuilder builder(Path folder, int largest) {
        int side = Math.max(MULTIPLE, largest / MULTIPLE * MULTIPLE);
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(folder)
                .closeAtShutdown(false)
                .planFor(GenerationRequest.builder()
                        .prompt("")
                        .size(side, side)
                        .count(maxCount)
                        .build());
        if (profile != null) {
            builder.profile(profile);
        }
        if (precision != null) {
            builder.precision(precision);
        }
        if (threads != null) {
            builder.threads(threads);
        }
        if (memoryLimit != null) {
            builder.memoryBudget(memoryLimit);
        }
        places.place(builder);
        return builder;
    }

    private @Nullable String apiKey() {
        String key = System.getenv(KEY_VARIABLE);
        if ((key == null || key.isEmpty()) && !host.matches("(?i)localhost|127\\.0\\.0\\.1|::1")) {
            spec.commandLine()
                    .getErr()
                    .println("zimage: everybody who reaches " + Terminal.oneLine(host) + " may draw: set "
                            + KEY_VARIABLE + " to ask for a key");
        }
        return key == null || key.isEmpty() ? null : key;
    }

    private String name(Path folder, boolean demo) {
        if (name != null) {
            return name;
        }
        return demo
                ? "zimage-demo"
                : Objects.requireNonNullElse(folder.toAbsolutePath().normalize().getFileName(), folder)
                        .toString();
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
