package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.langchain4j.data.image.Image;
import dev.langchain4j.model.openai.OpenAiImageModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What clients see of a server, over real connections, with a backend that does as the test says. */
@Timeout(60)
final class ImageServerTest {
    private static final String RESET = "reset";
    private static final int LONGEST_HEAD = 4096;
    private static final String GENERATIONS = "/v1/images/generations";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final List<StubBackend> backends = new CopyOnWriteArrayList<>();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private ImageServer server;
    private int port;

    @BeforeEach
    void start() throws Exception {
        open(null);
    }

    private void open(String apiKey) throws Exception {
        server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("stub")
                        .concurrency(2)
                        .queue(2)
                        .timeout(Duration.ofMinutes(5))
                        .apiKeys(apiKey == null ? List.of() : List.of(apiKey))
                        .size(128)
                        .maxPixels(160 * 160)
                        .maxCount(4)
                        .maxSteps(50)
                        .drain(Duration.ofSeconds(5))
                        .build(),
                MemoryBound.NONE,
                () -> {
                    StubBackend backend = new StubBackend();
                    backend.atOnce = true;
                    backends.add(backend);
                    return backend;
                },
                why -> {});
        port = server.listen();
    }

    @AfterEach
    void end() {
        server.close();
    }

    private StubBackend backend() {
        return backends.get(backends.size() - 1);
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:" + port + path);
    }

    private HttpResponse<String> get(String path) throws Exception {
        return client.send(HttpRequest.newBuilder(uri(path)).build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpRequest post(String path, String body) {
        return HttpRequest.newBuilder(uri(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    private HttpResponse<String> send(String path, String body) throws Exception {
        return client.send(post(path, body), HttpResponse.BodyHandlers.ofString());
    }

    private CompletableFuture<HttpResponse<String>> sendAsync(String body) {
        return client.sendAsync(post(GENERATIONS, body), HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void readiness_comesWithThePipeline() throws Exception {
        assertThat(get("/health/live").statusCode()).isEqualTo(200);
        assertThat(get("/health/ready").statusCode()).isEqualTo(503);
        assertThat(send(GENERATIONS, "{\"prompt\": \"fox\"}").statusCode()).isEqualTo(503);
        server.open();
        assertThat(get("/health/ready").statusCode()).isEqualTo(200);
        assertThat(send(GENERATIONS, "{\"prompt\": \"fox\"}").statusCode()).isEqualTo(200);
    }

    @Test
    void picturesOfARequest_comeBackWithTheirSeeds() throws Exception {
        server.open();
        JsonNode answer = JSON.readTree(send(
                        GENERATIONS,
                        "{\"model\": \"stub\", \"prompt\": \"a fox\", \"n\": 2, \"size\": \"64x48\", \"seed\": 7, \"steps\": 3}")
                .body());
        assertThat(answer.at("/data/0/seed").asLong()).isEqualTo(7);
        assertThat(answer.at("/data/1/b64_json").binaryValue()).isEqualTo(StubBackend.png(8));
        assertThat(answer.at("/size").asText()).isEqualTo("64x48");
        assertThat(backend().works.get(0).request().steps()).isEqualTo(3);
    }

    // A client of OpenAI's that others wrote, with what it sends of itself.
    @Test
    void langChain4j_getsAPicture() {
        server.open();
        OpenAiImageModel model = OpenAiImageModel.builder()
                .baseUrl(uri("/v1").toString())
                .apiKey("none")
                .modelName("stub")
                .size("128x128")
                .build();
        Image image = model.generate("a fox").content();
        assertThat(new String(Base64.getDecoder().decode(image.base64Data()), StandardCharsets.US_ASCII))
                .startsWith("picture ");
    }

    @Test
    void urlOfAPicture_canBeFetched() throws Exception {
        server.open();
        JsonNode answer =
                JSON.readTree(send(GENERATIONS, "{\"prompt\": \"fox\", \"seed\": 5, \"response_format\": \"url\"}")
                        .body());
        HttpResponse<String> picture = client.send(
                HttpRequest.newBuilder(URI.create(answer.at("/data/0/url").asText()))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(picture.body()).isEqualTo("picture 5");
        assertThat(picture.headers().firstValue("Content-Type")).contains("image/png");
    }

    @Test
    void stream_tellsOfStepsAndEndsWithThePicture() throws Exception {
        server.open();
        backend().atOnce = false;
        String body = "{\"prompt\": \"fox\", \"seed\": 3, \"steps\": 4, \"stream\": true, \"progress\": true}";
        Iterator<String> lines = client.send(post(GENERATIONS, body), HttpResponse.BodyHandlers.ofLines())
                .body()
                .iterator();
        next(lines, "image_generation.in_progress");
        backend().works.get(0).step(1);
        JsonNode step = next(lines, "image_generation.in_progress");
        assertThat(step.get("step").asInt()).isEqualTo(1);
        assertThat(step.get("steps").asInt()).isEqualTo(4);
        backend().works.get(0).finish();
        assertThat(next(lines, "image_generation.completed").get("b64_json").binaryValue())
                .isEqualTo(StubBackend.png(3));
    }

    @Test
    void stream_hasAsManyPreviewsAsWereAskedFor() throws Exception {
        server.open();
        backend().atOnce = false;
        String body = "{\"prompt\": \"fox\", \"seed\": 3, \"steps\": 6, \"stream\": true, \"partial_images\": 2}";
        Iterator<String> lines = client.send(post(GENERATIONS, body), HttpResponse.BodyHandlers.ofLines())
                .body()
                .iterator();
        StubBackend.Work work = backend().works.get(0);
        List<Integer> asked = new ArrayList<>();
        List<JsonNode> previews = new ArrayList<>();
        for (int step = 1; step <= 6; step++) {
            if (work.listener().previewSize(step) > 0) {
                asked.add(step);
                work.preview(step);
                previews.add(next(lines, "image_generation.partial_image"));
            }
            work.step(step);
        }
        work.finish();
        assertThat(asked).containsExactly(2, 4);
        assertThat(previews)
                .extracting(each -> each.get("partial_image_index").asInt())
                .containsExactly(0, 1);
        assertThat(previews).allSatisfy(each -> {
            assertThat(each.get("size").asText()).isEqualTo("128x128");
            assertThat(widthOf(each.get("b64_json"))).isEqualTo(4);
        });
        JsonNode completed = next(lines, "image_generation.completed");
        assertThat(completed.get("model").asText()).isEqualTo("stub");
        assertThat(completed.get("seed").asLong()).isEqualTo(3);
        assertThat(completed.get("steps").asInt()).isEqualTo(6);
        assertThat(completed.get("guidance").asDouble()).isZero();
    }

    @Test
    void job_showsPreviewsOfAllStepsButTheLast() throws Exception {
        server.open();
        backend().atOnce = false;
        HttpResponse<String> created = send("/api/jobs", "{\"prompt\": \"fox\", \"steps\": 3, \"previews\": true}");
        String path = created.headers().firstValue("Location").orElseThrow();
        StubBackend.Work work = backend().works.get(0);
        assertThat(work.listener().previewSize(2)).isPositive();
        assertThat(work.listener().previewSize(3)).isZero();
        Iterator<String> lines = client.send(
                        HttpRequest.newBuilder(uri(path + "/events")).build(), HttpResponse.BodyHandlers.ofLines())
                .body()
                .iterator();
        next(lines, "state");
        work.start();
        work.preview(1);
        JsonNode preview = next(lines, "preview");
        assertThat(preview.get("step").asInt()).isEqualTo(1);
        assertThat(widthOf(preview.get("png"))).isEqualTo(4);
        work.step(1);
        assertThat(next(lines, "step").get("step").asInt()).isEqualTo(1);
        work.finish();
        assertThat(next(lines, "end").get("state").asText()).isEqualTo("succeeded");
    }

    private static int widthOf(JsonNode base64) throws IOException {
        return ImageIO.read(new ByteArrayInputStream(base64.binaryValue())).getWidth();
    }

    /** Skips other events, and returns what the next one of this name says. */
    private static JsonNode next(Iterator<String> lines, String event) throws IOException {
        while (!lines.next().equals("event: " + event)) {
            // what comes before does not matter
        }
        return JSON.readTree(lines.next().substring("data: ".length()));
    }

    @Test
    void metrics_haveTheTimesAsHistograms() throws Exception {
        server.open();
        backend().atOnce = false;
        CompletableFuture<HttpResponse<String>> answer = sendAsync("{\"prompt\": \"fox\", \"n\": 2}");
        await(() -> !backend().works.isEmpty());
        backend().works.get(0).start();
        backend().works.get(0).step(1);
        backend().works.get(0).finish();
        answer.get();
        String metrics = get("/metrics").body();
        for (String name : List.of("zimage_queue_wait", "zimage_request", "zimage_picture", "zimage_step")) {
            assertThat(metrics)
                    .contains(name + "_seconds_bucket{le=\"+Inf\"} 1\n")
                    .containsPattern(name + "_seconds_bucket\\{le=\"0\\.[0-9]+\"\\}");
        }
        assertThat(metrics)
                .contains("zimage_jobs_total{outcome=\"succeeded\"} 1.0\n")
                .contains("zimage_memory_bytes{kind=\"held\"} ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{                                               | 400 | invalid_json    | JSON",
                "[]                                              | 400 | invalid_json    | object",
                "{}                                              | 400 | invalid_value   | prompt must say",
                "{\"prompt\": 3}                                 | 400 | invalid_value   | prompt must be a text, but was 3",
                "{\"prompt\": \"a\", \"prompt\": \"b\"}          | 400 | invalid_json    | uplicate",
                "{\"prompt\": \"a\", \"n\": 5}                   | 400 | invalid_value   | n must be a whole number from 1 to 4, but was 5",
                "{\"prompt\": \"a\", \"n\": 1e99}                | 400 | invalid_value   | n must be",
                "{\"prompt\": \"a\", \"size\": \"big\"}          | 400 | invalid_value   | size must be auto",
                "{\"prompt\": \"a\", \"size\": \"4096x4096\"}    | 400 | invalid_value   | 25600 pixels",
                "{\"prompt\": \"a\", \"size\": \"20x16\"}        | 400 | invalid_value   | multiple of 16",
                "{\"prompt\": \"a\", \"steps\": 51}              | 400 | invalid_value   | from 1 to 50",
                "{\"prompt\": \"a\", \"output_format\": \"gif\"} | 400 | invalid_value   | one of jpeg, png",
                "{\"prompt\": \"a\", \"file\": \"/etc/passwd\"}  | 400 | invalid_value   | no parameter 'file'",
                "{\"prompt\": \"a\", \"model\": \"dall-e-3\"}    | 404 | model_not_found | only 'stub'",
                "{\"prompt\": \"\\ud800\"}                       | 400 | invalid_value   | surrogate"
            })
    void badRequest_isToldWhatIsWrong(String body, int status, String code, String message) throws Exception {
        server.open();
        HttpResponse<String> answer = send(GENERATIONS, body);
        JsonNode error = JSON.readTree(answer.body()).get("error");
        assertThat(answer.statusCode()).isEqualTo(status);
        assertThat(error.get("code").asText()).isEqualTo(code);
        assertThat(error.get("message").asText()).contains(message);
        assertThat(error.get("type").asText()).isEqualTo("invalid_request_error");
        assertThat(backend().works).isEmpty();
    }

    @Test
    void fullQueue_answers429_andNothingThatWasAdmittedIsLost() throws Exception {
        server.open();
        backend().atOnce = false;
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int seed = 0; seed < 10; seed++) {
            answers.add(sendAsync("{\"prompt\": \"fox\", \"seed\": %d}".formatted(seed)));
        }
        await(() -> answers.stream().filter(CompletableFuture::isDone).count() == 6);
        backend().atOnce = true;
        backend().works.forEach(StubBackend.Work::finish);
        int drawn = 0;
        for (int seed = 0; seed < 10; seed++) {
            HttpResponse<String> answer = answers.get(seed).get();
            if (answer.statusCode() == 200) {
                assertThat(JSON.readTree(answer.body()).at("/data/0/b64_json").binaryValue())
                        .isEqualTo(StubBackend.png(seed));
                drawn++;
            } else {
                assertThat(answer.statusCode()).isEqualTo(429);
                assertThat(answer.headers().firstValueAsLong("Retry-After")).isPresent();
            }
        }
        assertThat(drawn).isEqualTo(4);
    }

    @Test
    void clientThatGoesAway_cancelsItsRequest() throws Exception {
        server.open();
        backend().atOnce = false;
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            String body = "{\"prompt\": \"fox\"}";
            String request =
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                            .formatted(GENERATIONS, body.length(), body);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            await(() -> backend().works.size() == 1);
        }
        await(() -> backend().works.get(0).future().isCancelled());
    }

    @Test
    void job_canBeWatchedFetchedAndCancelled() throws Exception {
        server.open();
        backend().atOnce = false;
        HttpResponse<String> created = send("/api/jobs", "{\"prompt\": \"fox\", \"seed\": 9, \"quality\": \"draft\"}");
        assertThat(created.statusCode()).isEqualTo(202);
        String path = created.headers().firstValue("Location").orElseThrow();
        assertThat(JSON.readTree(created.body()).get("width").asInt()).isEqualTo(96);
        CompletableFuture<HttpResponse<String>> events = client.sendAsync(
                HttpRequest.newBuilder(uri(path + "/events")).build(), HttpResponse.BodyHandlers.ofString());
        backend().works.get(0).finish();
        assertThat(events.get().body()).contains("event: end\n").contains("\"state\":\"succeeded\"");
        assertThat(get(path + "/images/0.png").body()).isEqualTo("picture 9");
        assertThat(get(path + "/images/1.png").statusCode()).isEqualTo(404);

        String second = send("/api/jobs", "{\"prompt\": \"fox\"}")
                .headers()
                .firstValue("Location")
                .orElseThrow();
        client.send(HttpRequest.newBuilder(uri(second)).DELETE().build(), HttpResponse.BodyHandlers.discarding());
        assertThat(backend().works.get(1).future()).isCancelled();
        assertThat(JSON.readTree(get(second).body()).get("state").asText()).isEqualTo("cancelled");
    }

    @Test
    void watchdog_rebuildsAPipelineThatHangs_andTheRequestIsDrawn() throws Exception {
        server.close();
        StallDetector impatient = new StallDetector(System::nanoTime, Duration.ofMillis(1), Duration.ofMillis(1), 1);
        server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("stub")
                        .concurrency(2)
                        .queue(2)
                        .timeout(Duration.ofMinutes(5))
                        .size(128)
                        .maxPixels(160 * 160)
                        .maxCount(4)
                        .maxSteps(50)
                        .drain(Duration.ofSeconds(5))
                        .build(),
                HttpLimits.standard(),
                MemoryBound.NONE,
                () -> {
                    StubBackend backend = new StubBackend();
                    backend.atOnce = !backends.isEmpty();
                    backends.add(backend);
                    return backend;
                },
                why -> {},
                impatient);
        port = server.listen();
        server.open();
        CompletableFuture<HttpResponse<String>> answer = sendAsync("{\"prompt\": \"fox\", \"seed\": 4}");
        await(() -> backend().works.size() == 1);
        Thread.sleep(5);
        server.check();
        assertThat(JSON.readTree(answer.get().body()).at("/data/0/b64_json").binaryValue())
                .isEqualTo(StubBackend.png(4));
        assertThat(backends).hasSize(2);
        assertThat(backends.get(0).closed).isTrue();
        assertThat(get("/metrics").body()).contains("zimage_healings_total{remedy=\"rebuild\"} 1");
    }

    @Test
    void drain_finishesWhatRuns_andAnswersTheRest() throws Exception {
        server.open();
        backend().atOnce = false;
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int seed = 0; seed < 3; seed++) {
            answers.add(sendAsync("{\"prompt\": \"fox\", \"seed\": %d}".formatted(seed)));
        }
        await(() -> backend().works.size() == 2);
        CompletableFuture<Void> drained = CompletableFuture.runAsync(() -> {
            try {
                server.drain();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        await(() -> answers.stream().anyMatch(CompletableFuture::isDone));
        backend().works.forEach(StubBackend.Work::finish);
        drained.get();
        assertThat(answers).extracting(answer -> answer.get().statusCode()).containsExactlyInAnyOrder(200, 200, 503);
    }

    @Test
    void apiKey_isAskedFor_exceptForPageAndHealth() throws Exception {
        server.close();
        open("0123456789abcdef");
        server.open();
        assertThat(get("/health/live").statusCode()).isEqualTo(200);
        assertThat(get("/").statusCode()).isEqualTo(200);
        assertThat(get("/v1/models").statusCode()).isEqualTo(401);
        for (String key : List.of("0123456789abcdee", "", "0123456789abcdef0")) {
            assertThat(models("Bearer " + key)).isEqualTo(401);
        }
        assertThat(models("Bearer 0123456789abcdef")).isEqualTo(200);
    }

    private int models(String authorization) throws Exception {
        return client.send(
                        HttpRequest.newBuilder(uri("/v1/models"))
                                .header("Authorization", authorization)
                                .build(),
                        HttpResponse.BodyHandlers.discarding())
                .statusCode();
    }

    // A page of another site, open in a browser on this machine, must not be able to draw here.
    @Test
    void otherSites_areKeptOut() throws Exception {
        server.open();
        HttpRequest plain = HttpRequest.newBuilder(uri(GENERATIONS))
                .header("Content-Type", "text/plain")
                .POST(HttpRequest.BodyPublishers.ofString("{\"prompt\": \"fox\"}"))
                .build();
        assertThat(client.send(plain, HttpResponse.BodyHandlers.ofString()).statusCode())
                .isEqualTo(415);
        assertThat(raw("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n")).startsWith("HTTP/1.1 421");
    }

    @Test
    void everyAnswer_carriesTheHeadersThatKeepBrowsersCalm() throws Exception {
        server.open();
        for (String path : List.of("/", "/v1/models", "/nowhere")) {
            HttpResponse<String> answer = get(path);
            assertThat(answer.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
            assertThat(answer.headers().firstValue("Content-Security-Policy").orElseThrow())
                    .contains("default-src 'none'")
                    .doesNotContain("unsafe");
        }
    }

    @Test
    void tooLargeBody_isRefused_alsoWithoutALength() throws Exception {
        server.open();
        String body = "{\"prompt\": \"" + "x".repeat(70_000) + "\"}";
        assertThat(send(GENERATIONS, body).statusCode()).isEqualTo(413);
        String chunk = Integer.toHexString(body.length()) + "\r\n" + body + "\r\n0\r\n\r\n";
        assertThat(raw("POST " + GENERATIONS
                        + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + chunk))
                .startsWith("HTTP/1.1 413");
    }

    // Takes the 15 s that the server waits.
    @Test
    void clientThatDoesNotGoOn_isAnsweredOrLeft() throws Exception {
        server.open();
        try (Socket silent = new Socket(InetAddress.getLoopbackAddress(), port);
                Socket half = new Socket(InetAddress.getLoopbackAddress(), port)) {
            silent.setSoTimeout(60_000);
            half.setSoTimeout(60_000);
            String head =
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
                            .formatted(GENERATIONS);
            half.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            assertThat(new String(half.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                    .startsWith("HTTP/1.1 408 ")
                    .contains("the body must come within 15 s");
            assertThat(silent.getInputStream().read())
                    .as("closed without a word")
                    .isEqualTo(-1);
        }
        assertThat(backend().works).isEmpty();
    }

    // Whatever comes in, what goes out is an error of the client's, and no word of what the server is made of.
    // -Dzimage.malformed=10000 sends as many.
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void malformedRequests_get4xxOnly() throws Exception {
        server.open();
        Random random = new Random(1);
        MalformedRequests malformed = new MalformedRequests(random);
        int requests = Integer.getInteger("zimage.malformed", 500);
        int reset = 0;
        for (int i = 0; i < requests; i++) {
            String request = malformed.next();
            String answer = raw(request);
            if (answer.equals(RESET)) {
                assertThat(request.length())
                        .as("only a request that is too long is cut off before it is read: %s", request)
                        .isGreaterThan(LONGEST_HEAD);
                reset++;
                continue;
            }
            assertThat(answer).as("%s", request).matches("(?s)HTTP/(1\\.[01]|9\\.7) 4[0-9][0-9] .*");
            assertThat(answer)
                    .doesNotContain("Exception")
                    .doesNotContain("at io.")
                    .doesNotContain("java.");
        }
        assertThat(reset).as("connections that were reset").isLessThan(requests / 5);
        assertThat(send(GENERATIONS, "{\"prompt\": \"fox\"}").statusCode()).isEqualTo(200);
    }

    private String raw(String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
            socket.shutdownOutput();
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (java.net.SocketException e) {
            return RESET; // the server had enough before it was all sent
        }
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waited too long").isLessThan(end);
            Thread.sleep(2);
        }
    }
}
