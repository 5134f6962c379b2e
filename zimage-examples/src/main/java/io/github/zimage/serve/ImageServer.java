package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HashSet;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The server: HTTP in front, a queue, a pipeline, and the watchdog. */
public final class ImageServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ImageServer.class);
    private static final Pattern MODEL = Pattern.compile("/v1/models/([^/]{1,200})");
    private static final Pattern JOB = Pattern.compile("/api/jobs/([A-Za-z0-9_-]{24})");
    private static final Pattern JOB_EVENTS = Pattern.compile(JOB.pattern() + "/events");
    private static final Pattern JOB_PICTURE = Pattern.compile(JOB.pattern() + "/images/([0-9]+)\\.png");
    private static final Pattern LOCAL_HOST =
            Pattern.compile("(?i)(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]{1,5})?");
    private static final int MAX_CONNECTIONS = 2000;
    private static final long FIRST_REQUEST_MILLIS = Duration.ofSeconds(15).toMillis();

    private final ServerOptions options;
    private final Vertx vertx =
            Vertx.vertx(new VertxOptions().setEventLoopPoolSize(2).setWorkerPoolSize(2));
    private final ScheduledExecutorService worker = Executors.newScheduledThreadPool(2, named("zimage-worker"));
    private final ScheduledExecutorService sweeper = Executors.newScheduledThreadPool(1, named("zimage-sweeper"));
    private final ExecutorService healer = Executors.newCachedThreadPool(named("zimage-healer"));
    private final MemoryTrend trend = new MemoryTrend();
    private final Metrics metrics = new Metrics(trend);
    private final Page page = new Page();
    private final PromptApi prompts = new PromptApi();
    private final JobStore store = new JobStore(System::nanoTime);
    private final JobQueue queue;
    private final PipelineSlot slot;
    private final Watchdog watchdog;
    private final OpenAiApi openAi;
    private final JobsApi jobs;
    private final byte @Nullable [] apiKey;
    private final boolean isLocal;
    private final HttpServer http;
    private final Set<HttpConnection> idle = new HashSet<>();
    private final AtomicInteger connections = new AtomicInteger();

    /**
     * Prepares a server, which takes no requests before {@link #open}.
     *
     * @param memoryLimit how many bytes the process may hold
     * @param opener makes a backend
     * @param giveUp ends the process when the watchdog cannot help
     */
    ImageServer(ServerOptions options, long memoryLimit, Supplier<ImageBackend> opener, Consumer<String> giveUp) {
        this(
                options,
                memoryLimit,
                opener,
                giveUp,
                new StallDetector(System::nanoTime, Duration.ofSeconds(60), Duration.ofMinutes(10), 10));
    }

    ImageServer(
            ServerOptions options,
            long memoryLimit,
            Supplier<ImageBackend> opener,
            Consumer<String> giveUp,
            StallDetector stalls) {
        this.options = options;
        queue = new JobQueue(options, worker, System::nanoTime, stalls, metrics);
        slot = new PipelineSlot(opener, queue, stalls, metrics::onRemedy, why -> {
            queue.endAll();
            pause(); // the answers leave
            giveUp.accept(why);
        });
        watchdog = new Watchdog(slot, memoryLimit, ProcessMemory::read, trend, healer);
        metrics.observe(queue, watchdog);
        RequestReader reader = new RequestReader(options);
        openAi = new OpenAiApi(options, reader, queue, store);
        jobs = new JobsApi(reader, queue, store);
        apiKey = options.apiKey() == null ? null : options.apiKey().getBytes(StandardCharsets.US_ASCII);
        isLocal = LOCAL_HOST.matcher(options.host()).matches() || options.host().equals("::1");
        http = vertx.createHttpServer(new HttpServerOptions()
                        .setHost(options.host())
                        .setPort(options.port())
                        .setHttp2ClearTextEnabled(false)
                        .setMaxInitialLineLength(4096)
                        .setMaxHeaderSize(16 * 1024)
                        .setAcceptBacklog(1024)
                        .setTcpNoDelay(true))
                .connectionHandler(this::onConnection)
                .invalidRequestHandler(this::onInvalidRequest)
                .exceptionHandler(e -> LOG.debug("A connection failed", e))
                // Without this one, Vert.x itself answers versions of HTTP that it does not know, with 501.
                .webSocketHandshakeHandler(
                        handshake -> handshake.reject(404).onFailure(e -> LOG.debug("nobody heard it", e)))
                .requestHandler(this::onRequest);
    }

    /** Makes a server that draws with a pipeline. */
    public static ImageServer of(
            ServerOptions options, long memoryLimit, Supplier<PipelineBackend> opener, Consumer<String> giveUp) {
        return new ImageServer(options, memoryLimit, opener::get, giveUp);
    }

    /** Returns how many bytes of memory there are for this process, less a twentieth for others; if nobody tells, no limit. */
    public static long machineMemory() {
        OptionalLong total = ProcessMemory.total();
        return total.isPresent() ? total.getAsLong() / 20 * 19 : Long.MAX_VALUE;
    }

    private static void pause() {
        try {
            Thread.sleep(1000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static ThreadFactory named(String name) {
        AtomicInteger number = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(task, name + "-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }

    /**
     * Starts to listen. Until {@link #open} is through, it is alive, but not ready.
     *
     * @return the port
     * @throws IOException if the port cannot be had
     * @throws InterruptedException if interrupted
     */
    public int listen() throws IOException, InterruptedException {
        try {
            int port = http.listen()
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS)
                    .actualPort();
            every(Duration.ofSeconds(1), this::sweep);
            return port;
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException(
                    "cannot listen on %s, port %d: %s"
                            .formatted(
                                    options.host(),
                                    options.port(),
                                    e.getCause() == null
                                            ? "it took too long"
                                            : e.getCause().getMessage()),
                    e);
        }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // the task throws nothing
    private void every(Duration period, Runnable task) {
        sweeper.scheduleWithFixedDelay(task, period.toMillis(), period.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void sweep() {
        try {
            queue.cancelAbandoned();
            store.sweep();
        } catch (RuntimeException e) {
            LOG.error("Sweeping failed", e);
        }
    }

    /** Opens the pipeline, and begins to take requests and to watch over it. Blocks. */
    public void open() {
        slot.open();
        every(Watchdog.PERIOD, watchdog::checkQuietly);
    }

    /** For tests: lets the watchdog look now. */
    void check() {
        watchdog.check();
    }

    private void onConnection(HttpConnection connection) {
        connection.exceptionHandler(e -> LOG.debug("A connection failed", e));
        connection.closeHandler(nothing -> {
            connections.decrementAndGet();
            markActive(connection);
        });
        if (connections.incrementAndGet() > MAX_CONNECTIONS) {
            close(connection);
            return;
        }
        synchronized (idle) {
            idle.add(connection);
        }
        // Whoever connects must say what he wants.
        vertx.setTimer(FIRST_REQUEST_MILLIS, id -> {
            if (markActive(connection)) {
                close(connection);
            }
        });
    }

    private boolean markActive(HttpConnection connection) {
        synchronized (idle) {
            return idle.remove(connection);
        }
    }

    private static void close(HttpConnection connection) {
        connection.close().onFailure(e -> LOG.debug("already closed", e));
    }

    private void onInvalidRequest(HttpServerRequest request) {
        Throwable cause = request.decoderResult().cause();
        Exchange exchange = new Exchange(vertx, request, metrics::onResponse);
        exchange.closeAfterwards();
        if (cause instanceof TooLongHttpLineException) {
            exchange.fail(new ApiException(414, "uri_too_long", "the address is too long"));
        } else if (cause instanceof TooLongHttpHeaderException) {
            exchange.fail(new ApiException(431, "headers_too_large", "the headers are too long"));
        } else {
            exchange.fail(new ApiException(400, "bad_request", "this is not HTTP as the server understands it"));
        }
    }

    private void onRequest(HttpServerRequest request) {
        markActive(request.connection());
        Exchange exchange = new Exchange(vertx, request, metrics::onResponse);
        if (request.decoderResult().isFailure() || request.version() == null) {
            onInvalidRequest(request);
            return;
        }
        exchange.runGuarded(() -> {
            requireHost(exchange);
            route(exchange);
        });
    }

    /** A name that leads here, but is not this machine's, is another site's that reaches for this one through a browser. */
    private void requireHost(Exchange exchange) {
        String host = exchange.header("Host");
        if (isLocal && (host == null || !LOCAL_HOST.matcher(host).matches())) {
            throw new ApiException(
                    421, "wrong_host", "this server is for this machine only: call it localhost or 127.0.0.1");
        }
    }

    private void route(Exchange exchange) {
        String path = exchange.path();
        switch (path) {
            case "/" -> on(exchange, HttpMethod.GET, () -> page.show(exchange));
            case "/health/live" -> on(exchange, HttpMethod.GET, () -> health(exchange, true));
            case "/health/ready" -> on(exchange, HttpMethod.GET, () -> health(exchange, queue.isReady()));
            default -> {
                requireKey(exchange);
                routeGuarded(exchange, path);
            }
        }
    }

    private void routeGuarded(Exchange exchange, String path) {
        switch (path) {
            case "/v1/images/generations" -> on(exchange, HttpMethod.POST, () -> openAi.generations(exchange));
            case "/v1/models" -> on(exchange, HttpMethod.GET, () -> openAi.models(exchange));
            case JobsApi.PATH -> on(exchange, HttpMethod.POST, () -> jobs.create(exchange));
            case "/api/prompt/lint" -> on(exchange, HttpMethod.POST, () -> prompts.lint(exchange));
            case "/api/prompt/templates" -> on(exchange, HttpMethod.GET, () -> prompts.templates(exchange));
            case "/api/info" -> on(exchange, HttpMethod.GET, () -> info(exchange));
            case "/metrics" ->
                on(
                        exchange,
                        HttpMethod.GET,
                        () -> exchange.bytes(
                                200,
                                "text/plain; version=0.0.4; charset=utf-8",
                                metrics.scrape().getBytes(StandardCharsets.UTF_8)));
            default -> routeByName(exchange, path);
        }
    }

    private void routeByName(Exchange exchange, String path) {
        Matcher model = MODEL.matcher(path);
        Matcher job = JOB.matcher(path);
        Matcher events = JOB_EVENTS.matcher(path);
        Matcher picture = JOB_PICTURE.matcher(path);
        if (model.matches()) {
            on(exchange, HttpMethod.GET, () -> openAi.model(exchange, model.group(1)));
        } else if (job.matches() && exchange.method().equals(HttpMethod.DELETE)) {
            jobs.cancel(exchange, job.group(1));
        } else if (job.matches()) {
            on(exchange, HttpMethod.GET, () -> jobs.show(exchange, job.group(1)));
        } else if (events.matches()) {
            on(exchange, HttpMethod.GET, () -> jobs.events(exchange, events.group(1)));
        } else if (picture.matches()) {
            on(exchange, HttpMethod.GET, () -> jobs.picture(exchange, picture.group(1), picture.group(2)));
        } else {
            throw new ApiException(404, "not_found", "there is nothing at this address");
        }
    }

    private static void on(Exchange exchange, HttpMethod method, Runnable action) {
        if (!exchange.method().equals(method)) {
            exchange.putHeader("Allow", method.name());
            throw new ApiException(405, "method_not_allowed", "this address takes " + method.name());
        }
        action.run();
    }

    private void requireKey(Exchange exchange) {
        if (apiKey == null) {
            return;
        }
        String header = exchange.header("Authorization");
        String shown = header != null && header.startsWith("Bearer ") ? header.substring("Bearer ".length()) : "";
        if (!MessageDigest.isEqual(apiKey, shown.getBytes(StandardCharsets.UTF_8))) {
            exchange.putHeader("WWW-Authenticate", "Bearer");
            throw new ApiException(401, "invalid_api_key", "send the API key as Authorization: Bearer KEY");
        }
    }

    private void health(Exchange exchange, boolean well) {
        exchange.json(
                well ? 200 : 503,
                Exchange.JSON
                        .createObjectNode()
                        .put("status", well ? "ok" : "not ready")
                        .put("running", queue.active())
                        .put("waiting", queue.depth()));
    }

    private void info(Exchange exchange) {
        RequestReader sizes = new RequestReader(options);
        ObjectNode root = Exchange.JSON
                .createObjectNode()
                .put("model", options.model())
                .put("max_count", options.maxCount())
                .put("max_steps", options.maxSteps())
                .put("max_pixels", options.maxPixels())
                .put("max_prompt", RequestReader.MAX_PROMPT);
        ObjectNode qualities = root.putObject("qualities");
        for (String quality : RequestReader.QUALITIES.keySet()) {
            qualities.put(quality, sizes.side(quality));
        }
        exchange.json(200, root);
    }

    /** Takes no more requests, gives what runs some time to end, and answers the rest that it must go elsewhere. */
    public void drain() throws InterruptedException {
        queue.drain();
        if (!queue.awaitIdle(options.drain())) {
            LOG.warn(
                    "After {} s there is still work: it is cancelled",
                    options.drain().toSeconds());
        }
        queue.endAll();
    }

    /** Ends the server and its pipeline. Answers that are on their way have some seconds to leave. */
    @Override
    public void close() {
        queue.endAll();
        sweeper.shutdownNow();
        try {
            http.shutdown(5, TimeUnit.SECONDS)
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(10, TimeUnit.SECONDS);
            vertx.close().toCompletionStage().toCompletableFuture().get(10, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            LOG.debug("Some connections do not end", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        slot.close();
        healer.shutdownNow();
        worker.shutdownNow();
        metrics.close();
    }
}
