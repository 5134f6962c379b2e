package io.github.zimage.serve;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a request's body as JSON, once its headers are in order. Belongs to the event loop of its connection. */
final class JsonBody {
    static final String TYPE = "application/json";

    private static final int MAX_BYTES = 64 * 1024;
    private static final Pattern MEDIA_TYPE =
            Pattern.compile("(?i)\\s*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)\\s*((?:;.*)?)", Pattern.DOTALL);
    private static final Pattern CHARSET = Pattern.compile("(?i);\\s*charset\\s*=\\s*\"?([^\";\\s]*)\"?");

    private final Exchange exchange;
    private final HttpServerRequest request;
    private final Consumer<JsonFields> handler;
    private final Buffer body = Buffer.buffer();
    private long timer;

    private JsonBody(Exchange exchange, Consumer<JsonFields> handler) {
        this.exchange = exchange;
        this.request = exchange.request();
        this.handler = handler;
    }

    /**
     * Begins to read; the handler is called once all is there.
     *
     * @throws ApiException if the headers say that it will not do
     */
    static void read(Exchange exchange, Consumer<JsonFields> handler) {
        try {
            requireType(exchange);
            requireIdentity(exchange);
            requireLength(exchange);
        } catch (ApiException e) {
            exchange.closeAfterwards();
            throw e;
        }
        new JsonBody(exchange, handler).begin();
    }

    /** A page of another site can send anything else without being asked for permission first. */
    private static void requireType(Exchange exchange) {
        List<String> types = exchange.request().headers().getAll(HttpHeaders.CONTENT_TYPE).stream()
                .distinct()
                .toList();
        Matcher type = MEDIA_TYPE.matcher(types.size() == 1 ? types.get(0) : "");
        if (!type.matches() || !type.group(1).equalsIgnoreCase(TYPE)) {
            exchange.putHeader("Accept", TYPE);
            throw new ApiException(415, "unsupported_media_type", "Content-Type must be application/json");
        }
        Matcher charset = CHARSET.matcher(type.group(2));
        while (charset.find()) {
            String name = charset.group(1).toLowerCase(Locale.ROOT);
            if (!name.equals("utf-8") && !name.equals("utf8") && !name.equals("us-ascii")) {
                exchange.putHeader("Accept", TYPE);
                throw new ApiException(
                        415,
                        "unsupported_media_type",
                        "JSON must be UTF-8, but Content-Type says " + JsonFields.shown(name, 40));
            }
        }
    }

    private static void requireIdentity(Exchange exchange) {
        for (String encoding : exchange.headerTokens("Content-Encoding")) {
            if (!encoding.equals("identity")) {
                exchange.putHeader("Accept-Encoding", "identity");
                throw new ApiException(
                        415,
                        "unsupported_encoding",
                        "the body is compressed (Content-Encoding: %s), which is not taken: send it as it is"
                                .formatted(JsonFields.shown(encoding, 40)));
            }
        }
        for (String coding : exchange.headerTokens("Transfer-Encoding")) {
            if (!coding.equals("chunked")) {
                throw new ApiException(
                        501,
                        "unsupported_encoding",
                        "Transfer-Encoding may be chunked, but was " + JsonFields.shown(coding, 40));
            }
        }
    }

    private static void requireLength(Exchange exchange) {
        String length = exchange.header("Content-Length");
        if (length != null && (length.length() > 9 || Long.parseLong(length) > MAX_BYTES)) {
            throw tooLarge();
        }
    }

    private static ApiException tooLarge() {
        return new ApiException(413, "request_too_large", "the body must have at most %d bytes".formatted(MAX_BYTES));
    }

    private void begin() {
        timer = exchange.vertx().setTimer(exchange.limits().body().toMillis(), id -> timeOut());
        exchange.onAbandoned(this::stop);
        request.handler(this::append);
        request.endHandler(nothing -> finish());
        if (request.version() != HttpVersion.HTTP_1_0 && exchange.header("Expect") != null) {
            exchange.response().writeContinue().onFailure(e -> exchange.abandon());
        }
    }

    private void stop() {
        exchange.vertx().cancelTimer(timer);
    }

    private void timeOut() {
        exchange.closeAfterwards();
        exchange.fail(new ApiException(
                408,
                "timeout",
                "the body must come within %d s"
                        .formatted(exchange.limits().body().toSeconds())));
    }

    private void append(Buffer part) {
        if (body.length() + part.length() > MAX_BYTES) {
            stop();
            request.handler(null);
            request.endHandler(null);
            exchange.closeAfterwards();
            exchange.fail(tooLarge());
            return;
        }
        body.appendBuffer(part);
    }

    private void finish() {
        stop();
        if (!exchange.isAnswered()) {
            exchange.runGuarded(() -> handler.accept(JsonFields.parse(body.getBytes())));
        }
    }
}
