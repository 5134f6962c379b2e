package io.github.zimage.serve;

import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The server: HTTP in front, a queue, a pipeline, and the watchdog. */
public final class ImageServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ImageServer.class);
    private final ServerOptions options;
    private final Vertx vertx =
            Vertx.vertx(new VertxOptions().setEventLoopPoolSize(2).setWorkerPoolSize(2));
    private final ScheduledExecutorService worker = Executors.newScheduledThreadPool(2, named("zimage-worker"));
    private final ScheduledExecutorService sweeper = Executors.newScheduledThreadPool(1, named("zimage-sweeper"));
    private final ExecutorService healer = Executors.newCachedThreadPool(named("zimage-healer"));
    private final MemoryTrend trend = new MemoryTrend();
    private final Metrics metrics = new Metrics(trend);
    private final JobStore store = new JobStore(System::nanoTime);
    private final JobQueue queue;
    private final Readiness readiness = new Readiness(healer);
    private final PipelineSlot slot;
    private final Watchdog watchdog;
    private final Connections connections;
    private final PromptApi prompts = new PromptApi(named("zimage-lint"));
    private final HttpServer http;
    private final Router router;

    /**
     * Prepares a server, which takes no requests before {@link #open}.
     *
     * @param memoryLimit how much the process may hold
     * @param opener makes a backend
     * @param giveUp ends the process when the watchdog cannot help
     */
    ImageServer(
            ServerOptions options, MemoryBound memoryLimit, Supplier<ImageBackend> opener, Consumer<String> giveUp) {
        this(
                options,
                HttpLimits.standard(),
                memoryLimit,
                opener,
                giveUp,
                new StallDetector(System::nanoTime, Duration.ofSeconds(60), Duration.ofMinutes(10), 10));
    }

    ImageServer(
            ServerOptions options,
            HttpLimits limits,
            MemoryBound memoryLimit,
            Supplier<ImageBackend> opener,
            Consumer<String> giveUp,
            StallDetector stalls) {
        this.options = options;
        queue = new JobQueue(options, worker, System::nanoTime, stalls, metrics);
        slot = new PipelineSlot(opener, queue, stalls, readiness, metrics::onRemedy, why -> {
            queue.endAll();
            pause(); // the answers leave
            giveUp.accept(why);
        });
        watchdog = new Watchdog(slot, memoryLimit, ProcessMemory::read, trend, healer);
        metrics.observe(queue, watchdog, readiness);
        connections = new Connections(limits, System::nanoTime);
        router = router(limits);
        http = vertx.createHttpServer(new HttpServerOptions()
                        .setHost(options.host())
                        .setPort(options.port())
                        .setHttp2ClearTextEnabled(false)
                        .setMaxInitialLineLength(4096)
                        .setMaxHeaderSize(16 * 1024)
                        .setAcceptBacklog(1024)
                        .setTcpNoDelay(true))
                .connectionHandler(this::onConnection)
                .invalidRequestHandler(router::refuse)
                .exceptionHandler(e -> LOG.debug("A connection failed", e))
                // Without this one, Vert.x itself answers versions of HTTP that it does not know, with 501.
                .webSocketHandshakeHandler(
                        handshake -> handshake.reject(404).onFailure(e -> LOG.debug("nobody heard it", e)))
                .requestHandler(router::handle);
    }

    private Router router(HttpLimits limits) {
        RequestReader reader = new RequestReader(options);
        Access access = new Access(options);
        PictureLinks links =
                new PictureLinks(access.asksForKey(), () -> Instant.now().getEpochSecond());
        return new Router(
                options,
                new Exchange.Http(vertx, limits, connections, metrics::onResponse),
                access,
                links,
                new Page(),
                new StatusApi(options, reader, queue, readiness, metrics, worker),
                new OpenAiApi(options, reader, queue, store, access, links, worker),
                new JobsApi(reader, queue, store, access, links, worker),
                prompts);
    }

    /** Makes a server that draws with a pipeline. */
    public static ImageServer of(
            ServerOptions options, MemoryBound memoryLimit, Supplier<PipelineBackend> opener, Consumer<String> giveUp) {
        return new ImageServer(options, memoryLimit, opener::get, giveUp);
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
            connections.closeIdle();
        } catch (RuntimeException e) {
            LOG.error("Sweeping failed: {}", JobFailure.reason(e), e);
        }
    }

    /** Opens the pipeline, and begins to take requests and to watch over it. Blocks. */
    public void open() {
        slot.open();
        every(Watchdog.PERIOD, watchdog::checkQuietly);
    }

    /** For tests: what it answers to. */
    Router router() {
        return router;
    }

    /** For tests: lets the watchdog look now. */
    void check() {
        watchdog.check();
    }

    private void onConnection(HttpConnection connection) {
        connection.exceptionHandler(e -> LOG.debug("A connection failed", e));
        connections.add(connection);
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
        prompts.close();
        metrics.close();
    }
}
