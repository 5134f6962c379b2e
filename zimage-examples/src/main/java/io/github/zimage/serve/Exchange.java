package io.github.zimage.serve;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One HTTP request and its answer. Belongs to the event loop of its connection. */
final class Exchange {
    static final ObjectMapper JSON = new ObjectMapper();

    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    private static final int MAX_BODY = 64 * 1024;
    private static final long BODY_MILLIS = Duration.ofSeconds(15).toMillis();
    private static final long ANSWER_MILLIS = Duration.ofMinutes(2).toMillis();
    /** To close at once could take an answer from a client that is still sending. */
    private static final long LINGER_MILLIS = Duration.ofSeconds(1).toMillis();

    private static final String JSON_TYPE = "application/json";

    private final Vertx vertx;
    private final Context context;
    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final IntConsumer answered;

    /**
     * Begins an exchange.
     *
     * @param answered hears the status of the answer
     */
    Exchange(Vertx vertx, HttpServerRequest request, IntConsumer answered) {
        this.vertx = vertx;
        this.context = vertx.getOrCreateContext();
        this.request = request;
        this.response = request.response();
        this.answered = answered;
        response.exceptionHandler(e -> LOG.debug("The connection broke", e));
        request.exceptionHandler(e -> {
            LOG.debug("The request broke off", e);
            if (!request.isEnded()) {
                fail(new ApiException(400, "bad_request", "the body does not come as its headers say"));
            }
        });
        response.putHeader("X-Content-Type-Options", "nosniff")
                .putHeader("X-Frame-Options", "DENY")
                .putHeader("Referrer-Policy", "no-referrer")
                .putHeader("Cache-Control", "no-store")
                .putHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    }

    String path() {
        String path = request.path();
        return path == null ? "" : path;
    }

    HttpMethod method() {
        return request.method();
    }

    @Nullable
    String header(CharSequence name) {
        return request.getHeader(name);
    }

    void putHeader(String name, String value) {
        response.putHeader(name, value);
    }

    HttpServerResponse response() {
        return response;
    }

    Vertx vertx() {
        return vertx;
    }

    /** Runs a task on the event loop, from whichever thread. */
    void runOnEventLoop(Runnable task) {
        context.runOnContext(nothing -> runGuarded(task));
    }

    /** Runs a task, and answers with what it throws. */
    void runGuarded(Runnable task) {
        try {
            task.run();
        } catch (ApiException e) {
            fail(e);
        } catch (IllegalArgumentException e) {
            fail(new ApiException(400, "invalid_value", String.valueOf(e.getMessage())));
        } catch (RuntimeException e) {
            LOG.error("A request failed", e);
            fail(new ApiException(500, "failed", "the server failed; its log says why"));
        }
    }

    /** Runs a task when the client goes away before the answer has ended. */
    void onAbandoned(Runnable task) {
        response.closeHandler(nothing -> task.run());
    }

    /** Reads the body as JSON, and hands it on once it is there. */
    void readJson(Consumer<JsonFields> handler) {
        String type = request.getHeader(HttpHeaders.CONTENT_TYPE);
        // A page of another site can send anything else without being asked for permission first.
        if (type == null
                || !type.toLowerCase(Locale.ROOT).split(";", 2)[0].strip().equals(JSON_TYPE)) {
            closeAfterwards();
            throw new ApiException(415, "unsupported_media_type", "Content-Type must be application/json");
        }
        String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
        if (length != null && (length.length() > 9 || Long.parseLong(length) > MAX_BODY)) {
            closeAfterwards();
            throw tooLarge();
        }
        Buffer body = Buffer.buffer();
        long timer = vertx.setTimer(BODY_MILLIS, id -> {
            closeAfterwards();
            fail(new ApiException(408, "timeout", "the body must come within %d s".formatted(BODY_MILLIS / 1000)));
        });
        request.handler(part -> {
            if (body.length() + part.length() > MAX_BODY) {
                vertx.cancelTimer(timer);
                request.handler(null);
                request.endHandler(null);
                closeAfterwards();
                fail(tooLarge());
                return;
            }
            body.appendBuffer(part);
        });
        request.endHandler(nothing -> {
            vertx.cancelTimer(timer);
            if (!response.ended()) {
                runGuarded(() -> handler.accept(JsonFields.parse(body.getBytes())));
            }
        });
        response.closeHandler(nothing -> vertx.cancelTimer(timer));
    }

    private static ApiException tooLarge() {
        return new ApiException(413, "request_too_large", "the body must have at most %d bytes".formatted(MAX_BODY));
    }

    /** Ends the connection after the answer: what is still on its way would be taken for the next request. */
    void closeAfterwards() {
        if (!response.headWritten()) {
            response.putHeader(HttpHeaders.CONNECTION, "close");
        }
    }

    void fail(ApiException e) {
        if (response.headWritten() || response.closed()) {
            return;
        }
        if (e.retryAfterSeconds() > 0) {
            response.putHeader("Retry-After", Long.toString(e.retryAfterSeconds()));
        }
        if (e.status() == 504) {
            response.putHeader("x-should-retry", "false"); // it would take as long again
        }
        if (!request.isEnded()) {
            closeAfterwards();
        }
        json(e.status(), e.toJson());
    }

    void json(int status, JsonNode body) {
        try {
            bytes(status, JSON_TYPE, JSON.writeValueAsBytes(body));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("JSON that cannot be written", e);
        }
    }

    /** What writes JSON. */
    interface JsonWriter {
        void write(JsonGenerator json) throws IOException;
    }

    /** Answers with JSON that is written as it comes, about as long as said. */
    void json(int status, int length, JsonWriter body) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(length);
        try (JsonGenerator json = JSON.createGenerator(out)) {
            body.write(json);
        } catch (IOException e) {
            throw new IllegalStateException("JSON that cannot be written", e);
        }
        bytes(status, JSON_TYPE, out.toByteArray());
    }

    void bytes(int status, String type, byte[] body) {
        if (response.ended() || response.closed() || response.headWritten()) {
            return;
        }
        answered.accept(status);
        response.setStatusCode(status).putHeader(HttpHeaders.CONTENT_TYPE, type);
        // Whoever reads too slowly would hold the answer in memory.
        long timer = vertx.setTimer(
                ANSWER_MILLIS, id -> request.connection().close().onFailure(e -> LOG.debug("already closed", e)));
        response.end(Buffer.buffer(body)).onComplete(done -> {
            vertx.cancelTimer(timer);
            if (!request.isEnded()) {
                // Vert.x would wait for the rest of the request.
                vertx.setTimer(
                        LINGER_MILLIS,
                        id -> request.connection().close().onFailure(e -> LOG.debug("already closed", e)));
            }
        });
    }

    void noContent() {
        if (!response.ended() && !response.closed()) {
            answered.accept(204);
            response.setStatusCode(204).end().onFailure(e -> LOG.debug("nobody heard it", e));
        }
    }

    /** Begins an answer of server-sent events. */
    EventStream events() {
        answered.accept(200);
        return new EventStream(this, () -> request.connection().close().onFailure(e -> LOG.debug("already closed", e)));
    }
}
