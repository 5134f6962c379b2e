package io.github.zimage.serve;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.HttpVersion;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One HTTP request and its answer. Belongs to the event loop of its connection. */
final class Exchange {
    static final ObjectMapper JSON = new ObjectMapper();

    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    /** To close at once could take an answer from a client that is still sending. */
    private static final long LINGER_MILLIS = Duration.ofSeconds(1).toMillis();

    private final Http http;
    private final Context context;
    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private @Nullable ClientView view;
    private boolean closes;

    /**
     * What all exchanges have in common.
     *
     * @param answered hears the status of each answer
     */
    record Http(Vertx vertx, HttpLimits limits, Connections connections, IntConsumer answered) {}

    /** Begins an exchange. */
    Exchange(Http http, HttpServerRequest request) {
        this.http = http;
        this.context = http.vertx().getOrCreateContext();
        this.request = request;
        this.response = request.response();
        this.closes = mustClose(request);
        http.connections().enter(request.connection(), Connections.Phase.SENDING);
        response.exceptionHandler(e -> LOG.debug("The connection broke", e));
        response.headersEndHandler(nothing -> {
            if (closes) {
                response.putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE); // also where Vert.x says otherwise
            }
        });
        request.exceptionHandler(e -> {
            LOG.debug("The request broke off", e);
            if (!request.isEnded()) {
                fail(new ApiException(400, "bad_request", "the body does not come as its headers say"));
            }
        });
        response.putHeader(
                        HttpHeaders.DATE,
                        DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC)))
                .putHeader("X-Content-Type-Options", "nosniff")
                .putHeader("X-Frame-Options", "DENY")
                .putHeader("Referrer-Policy", "no-referrer")
                .putHeader("Cache-Control", "no-store")
                .putHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    }

    /** Whether the client wants the connection to end with the answer (RFC 9112, 9.3). */
    private static boolean mustClose(HttpServerRequest request) {
        List<String> tokens = tokens(request, "Connection");
        boolean persists = request.version() == HttpVersion.HTTP_1_1 || tokens.equals(List.of("keep-alive"));
        return !persists || tokens.contains("close");
    }

    /** A request without a body has ended, though Vert.x does not say so yet while it is being routed (RFC 9112, 6.3). */
    private static boolean mayHaveBody(HttpServerRequest request) {
        String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
        return request.headers().contains(HttpHeaders.TRANSFER_ENCODING) || (length != null && !length.equals("0"));
    }

    private static List<String> tokens(HttpServerRequest request, String name) {
        return request.headers().getAll(name).stream()
                .flatMap(value -> Stream.of(value.split(",")))
                .map(token -> token.strip().toLowerCase(Locale.ROOT))
                .filter(token -> !token.isEmpty())
                .toList();
    }

    HttpServerRequest request() {
        return request;
    }

    HttpMethod method() {
        return request.method();
    }

    boolean isHead() {
        return method().equals(HttpMethod.HEAD);
    }

    void setView(ClientView seen) {
        view = seen;
    }

    /** Returns how the client sees the server. */
    ClientView view() {
        return Objects.requireNonNull(view, "known once it is routed");
    }

    @Nullable
    String header(CharSequence name) {
        return request.getHeader(name);
    }

    /** Returns the parts of a header that is a list, in lower case. */
    List<String> headerTokens(String name) {
        return tokens(request, name);
    }

    void putHeader(String name, String value) {
        response.putHeader(name, value);
    }

    HttpServerResponse response() {
        return response;
    }

    Vertx vertx() {
        return http.vertx();
    }

    HttpLimits limits() {
        return http.limits();
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
            fail(ApiException.invalid(null, String.valueOf(e.getMessage())));
        } catch (RuntimeException e) {
            LOG.error("A request failed: {}", JobFailure.reason(e), e);
            fail(new ApiException(500, "failed", "the server failed; its log says why"));
            if (!response.ended()) {
                abandon(); // half of an answer is out
            }
        }
    }

    /**
     * Lets other threads do what takes longer than an event loop has time for, and goes on with what comes of it on the event loop, also
     * if the client has gone meanwhile. The connection is not closed for others until then.
     */
    <T> void offload(Executor executor, Supplier<T> work, Consumer<T> then) {
        http.connections().await(request.connection());
        try {
            executor.execute(() -> {
                try {
                    T result = work.get();
                    runOnEventLoop(() -> then.accept(result));
                } catch (RuntimeException e) {
                    runOnEventLoop(() -> {
                        throw e;
                    });
                } catch (Error e) {
                    runOnEventLoop(() -> {
                        throw new IllegalStateException(e);
                    });
                    throw e;
                }
            });
        } catch (RejectedExecutionException e) {
            throw ApiException.retryable(503, "busy", "the server has too much to do just now: try again later", 1);
        }
    }

    /** Runs a task when the client goes away before the answer has ended; at once if it has gone. */
    void onAbandoned(Runnable task) {
        if (response.closed()) {
            task.run();
        } else {
            response.closeHandler(nothing -> task.run());
        }
    }

    /** Returns whether there is nothing more to say, as the answer is on its way or nobody is there to hear it. */
    boolean isAnswered() {
        return response.ended() || response.closed() || response.headWritten();
    }

    /** Ends the connection after the answer: what is still on its way would be taken for the next request. */
    void closeAfterwards() {
        closes = true;
    }

    /** Closes the connection. */
    void abandon() {
        Connections.close(request.connection());
    }

    void fail(ApiException e) {
        if (isAnswered()) {
            return;
        }
        if (e.retryAfterSeconds() > 0) {
            response.putHeader("Retry-After", Long.toString(e.retryAfterSeconds()));
        }
        if (e.status() == 504) {
            response.putHeader("x-should-retry", "false"); // it would take as long again
        }
        if (!request.isEnded() && mayHaveBody(request)) {
            closeAfterwards();
        }
        json(e.status(), e.toJson());
    }

    /** Reads the body as JSON, and hands it on once it is there. */
    void readJson(Consumer<JsonFields> handler) {
        JsonBody.read(this, handler);
    }

    void json(int status, JsonNode body) {
        try {
            bytes(status, JsonBody.TYPE, JSON.writeValueAsBytes(body));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("JSON that cannot be written", e);
        }
    }

    /** What writes JSON. */
    interface JsonWriter {
        void write(JsonGenerator json) throws IOException;
    }

    /** Returns JSON that is written as it comes, about as long as said. */
    static byte[] jsonBytes(int length, JsonWriter body) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(length);
        try (JsonGenerator json = JSON.createGenerator(out)) {
            body.write(json);
        } catch (IOException e) {
            throw new IllegalStateException("JSON that cannot be written", e);
        }
        return out.toByteArray();
    }

    void bytes(int status, String type, byte[] body) {
        if (!isAnswered()) {
            response.putHeader(HttpHeaders.CONTENT_TYPE, type);
            end(status, body);
        }
    }

    /** Answers a request for the headers alone, where nobody knows how long the rest would be. */
    void head(int status, String type) {
        if (!isAnswered()) {
            response.putHeader(HttpHeaders.CONTENT_TYPE, type);
            end(status, null);
        }
    }

    void noContent() {
        if (!isAnswered()) {
            end(204, null);
        }
    }

    void redirect(String address) {
        putHeader("Location", address);
        bytes(308, "text/plain; charset=utf-8", address.getBytes(StandardCharsets.UTF_8));
    }

    private void end(int status, byte @Nullable [] body) {
        http.answered().accept(status);
        http.connections().enter(request.connection(), Connections.Phase.READING);
        response.setStatusCode(status);
        // Whoever reads too slowly would hold the answer in memory.
        long timer = vertx().setTimer(limits().answer().toMillis(), id -> abandon());
        if (body != null) {
            response.putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(body.length));
        }
        Future<Void> sent = body == null || isHead() ? response.end() : AnswerBody.send(response, body);
        sent.onComplete(done -> {
            vertx().cancelTimer(timer);
            endRequest();
        });
    }

    /** After the answer: the connection is for the next request, or ends. */
    private void endRequest() {
        if (!request.isEnded()) {
            // Vert.x would wait for the rest of the request.
            vertx().setTimer(LINGER_MILLIS, id -> abandon());
        } else if (closes) {
            abandon();
        } else {
            http.connections().enter(request.connection(), Connections.Phase.IDLE);
        }
    }

    /** Begins an answer of server-sent events. */
    EventStream events() {
        http.connections().await(request.connection());
        http.answered().accept(200);
        if (request.version() == HttpVersion.HTTP_1_0) {
            closeAfterwards(); // there is no other way to tell where they end
        }
        return new EventStream(this, this::endRequest);
    }
}
