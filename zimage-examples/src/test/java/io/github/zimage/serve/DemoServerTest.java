package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.read.ListAppender;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.placement.MemoryPlan;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** What a server with a real pipeline leaves behind: nothing in memory, no prompt in the log. */
@Timeout(120)
final class DemoServerTest {
    private static final String MARKER = "vermilion pangolin";

    private final ExecutorService encoder = Executors.newFixedThreadPool(1);
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final AtomicInteger steps = new AtomicInteger();
    private volatile Runnable atStep = () -> {};
    private ZImagePipeline pipeline;
    private ImageServer server;
    private int port;

    private void open(Duration timeout) throws Exception {
        server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("demo")
                        .concurrency(3)
                        .queue(10)
                        .timeout(timeout)
                        .size(64)
                        .maxPixels(128 * 128)
                        .maxCount(4)
                        .maxSteps(1000)
                        .drain(Duration.ofSeconds(30))
                        .build(),
                MemoryBound.NONE,
                this::backend,
                why -> {});
        port = server.listen();
        server.open();
    }

    private ImageBackend backend() {
        pipeline = ZImagePipeline.builder().model(DemoModel.path()).threads(1).build();
        return new Watched(new PipelineBackend(pipeline, encoder, 64));
    }

    @AfterEach
    void end() {
        server.close();
        encoder.shutdownNow();
    }

    private HttpResponse<String> draw(int steps) throws Exception {
        String body =
                "{\"prompt\": \"a %s\", \"size\": \"64x64\", \"steps\": %d, \"seed\": 1}".formatted(MARKER, steps);
        return http.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/images/generations"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    // A thousand steps that wait take longer than any time-out here; what has been drawn by then must be gone.
    @Test
    void timeOut_endsTheWorkWithinAStep_andFreesItsMemory() throws Exception {
        open(Duration.ofSeconds(3));
        assertThat(draw(2).statusCode()).isEqualTo(200);
        pipeline.trim();
        long before = Pointer.totalCount();
        steps.set(0);
        atStep = () -> pause(Duration.ofMillis(10));
        assertThat(draw(1000).statusCode()).isEqualTo(504);
        int atAnswer = steps.get();
        assertThat(atAnswer).as("it was being drawn").isPositive();
        pipeline.trim(); // waits for what is still being done
        assertThat(steps.get()).as("the step that ran may end").isBetween(atAnswer, atAnswer + 1);
        assertThat(Pointer.totalCount()).isEqualTo(before);
    }

    @Test
    void refusalOfTheModels_namesTheParameter_andWhatACallerCanDo() throws Exception {
        open(Duration.ofMinutes(1));
        String tooLong = post("{\"prompt\": \"%s\", \"size\": \"64x64\"}".formatted("fox ".repeat(1990)));
        assertThat(tooLong).contains("\"param\":\"prompt\"").contains(": shorten it to 512 tokens\"");
        assertThat(post("{\"prompt\": \"fox\", \"size\": \"64x65\"}"))
                .contains("\"param\":\"size\"")
                .contains("height must be a multiple of 16, but was 65 (nearest: 64 or 80)");
    }

    private String post(String body) throws Exception {
        return http.send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/images/generations"))
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString(body))
                                .build(),
                        HttpResponse.BodyHandlers.ofString())
                .body();
    }

    @Test
    void prompts_areNotLogged_whateverHappens() throws Exception {
        Logger root = (Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
        Logger ours = (Logger) LoggerFactory.getLogger("io.github.zimage");
        Level before = ours.getLevel();
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        root.addAppender(log);
        ours.setLevel(Level.INFO);
        try {
            open(Duration.ofMinutes(1));
            assertThat(draw(2).statusCode()).isEqualTo(200);
            AtomicInteger failures = new AtomicInteger(1);
            atStep = () -> exhaust(failures);
            assertThat(draw(2).statusCode()).as("healed by the pipeline").isEqualTo(200);
            failures.set(Integer.MAX_VALUE);
            assertThat(draw(2).statusCode()).as("out of memory").isEqualTo(503);
            atStep = () -> {
                throw new UnsupportedOperationException("broken");
            };
            assertThat(draw(2).statusCode()).as("a failure").isEqualTo(500);
            assertThat(draw(5000).statusCode()).as("a bad request").isEqualTo(400);
        } finally {
            root.detachAppender(log);
            ours.setLevel(before);
        }
        List<String> lines = List.copyOf(log.list).stream()
                .map(event -> event.getFormattedMessage()
                        + (event.getThrowableProxy() == null
                                ? ""
                                : ThrowableProxyUtil.asString(event.getThrowableProxy())))
                .toList();
        assertThat(lines).anyMatch(line -> line.contains("state=QUEUED"));
        assertThat(lines).anyMatch(line -> line.contains("state=SUCCEEDED"));
        assertThat(lines).anyMatch(line -> line.contains("code=out_of_memory"));
        assertThat(lines).anyMatch(line -> line.contains("broken"));
        assertThat(lines).noneMatch(line -> line.contains("pangolin"));
    }

    private static void exhaust(AtomicInteger failures) {
        if (failures.getAndDecrement() > 0) {
            torch.empty(1L << 46); // more than any machine has
        }
    }

    private static void pause(Duration time) {
        try {
            Thread.sleep(time.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Counts steps, and does something at each. */
    private final class Watched implements ImageBackend {
        private final ImageBackend backend;

        Watched(ImageBackend backend) {
            this.backend = backend;
        }

        @Override
        public void warmUp(BiConsumer<GenerationRequest, Duration> stepped) {
            backend.warmUp(stepped);
        }

        @Override
        public void check(GenerationRequest request) {
            backend.check(request);
        }

        @Override
        public CompletableFuture<List<EncodedImage>> generate(GenerationRequest request, GenerationListener listener) {
            return backend.generate(request, new GenerationListener() {
                @Override
                public void onStart() {
                    listener.onStart();
                }

                @Override
                public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
                    listener.onRelief(failure, next);
                }

                @Override
                public void onStep(int step, int all, Duration elapsed) {
                    steps.incrementAndGet();
                    atStep.run();
                    listener.onStep(step, all, elapsed);
                }
            });
        }

        @Override
        public void trim() {
            backend.trim();
        }

        @Override
        public boolean shrink() {
            return backend.shrink();
        }

        @Override
        public long peakBytes() {
            return backend.peakBytes();
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
