package io.github.zimage.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A server that is open, with a backend that does as the test says, for tests that send bytes as they are. */
final class ServerFixture implements AutoCloseable {
    static final String GENERATIONS = "/v1/images/generations";
    static final String FOX = "{\"prompt\": \"fox\", \"seed\": 5}";

    private static final ObjectMapper JSON = new ObjectMapper();

    final List<StubBackend> backends = new CopyOnWriteArrayList<>();
    final ImageServer server;
    final int port;

    /** Begins options of a server of pictures of 128 x 128. */
    static ServerOptions.Builder options() {
        return ServerOptions.builder()
                .port(0)
                .model("stub")
                .concurrency(2)
                .queue(4)
                .size(128)
                .maxPixels(160 * 160)
                .drain(Duration.ofSeconds(5));
    }

    ServerFixture(ServerOptions options) throws Exception {
        this(options, HttpLimits.standard());
    }

    ServerFixture(ServerOptions options, HttpLimits limits) throws Exception {
        server = new ImageServer(
                options,
                limits,
                MemoryBound.NONE,
                () -> {
                    StubBackend backend = new StubBackend();
                    backend.atOnce = true;
                    backends.add(backend);
                    return backend;
                },
                why -> {},
                new StallDetector(System::nanoTime, Duration.ofSeconds(60), Duration.ofMinutes(10), 10));
        port = server.listen();
        server.open();
    }

    StubBackend backend() {
        return backends.get(backends.size() - 1);
    }

    Wire connect() throws IOException {
        return new Wire(port);
    }

    /** Sends one request on a connection of its own. */
    Wire.Answer send(String request) throws IOException {
        try (Wire wire = connect()) {
            return wire.write(request).answer();
        }
    }

    /** Sends a GET with further headers, each with its line end. */
    Wire.Answer get(String target, String headers) throws IOException {
        return send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
    }

    /** Posts JSON with further headers, each with its line end. */
    Wire.Answer post(String target, String headers, String json) throws IOException {
        return send(postOf(target, "Content-Type: application/json\r\n" + headers, json));
    }

    static String postOf(String target, String headers, String body) {
        int length = body.getBytes(StandardCharsets.UTF_8).length;
        return "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s"
                .formatted(target, length, headers, body);
    }

    static JsonNode json(Wire.Answer answer) throws IOException {
        return JSON.readTree(answer.body());
    }

    static JsonNode error(Wire.Answer answer) throws IOException {
        return json(answer).get("error");
    }

    static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited too long");
            }
            LockSupport.parkNanos(2_000_000);
        }
    }

    @Override
    public void close() {
        server.close();
    }
}
