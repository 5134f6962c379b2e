package io.github.zimage.serve;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.util.function.Consumer;

/** Reads a request's body, once its headers are in order. Belongs to the event loop of its connection. */
final class BodyReader {
    private final Exchange exchange;
    private final HttpServerRequest request;
    private final int maxBytes;
    private final Consumer<byte[]> handler;
    private final Buffer body = Buffer.buffer();
    private long timer;

    private BodyReader(Exchange exchange, int maxBytes, Consumer<byte[]> handler) {
        this.exchange = exchange;
        this.request = exchange.request();
        this.maxBytes = maxBytes;
        this.handler = handler;
    }

    /**
     * Begins to read; the handler is called once all is there.
     *
     * @param type requires the type of the content to be one that is understood
     * @throws ApiException if the headers say that it will not do
     */
    static void read(Exchange exchange, Runnable type, int maxBytes, Consumer<byte[]> handler) {
        try {
            type.run();
            requireIdentity(exchange);
            requireLength(exchange, maxBytes);
        } catch (ApiException e) {
            exchange.closeAfterwards();
            throw e;
        }
        new BodyReader(exchange, maxBytes, handler).begin();
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

    private static void requireLength(Exchange exchange, int maxBytes) {
        String length = exchange.header("Content-Length");
        if (length != null && (length.length() > 9 || Long.parseLong(length) > maxBytes)) {
            throw tooLarge(maxBytes);
        }
    }

    private static ApiException tooLarge(int maxBytes) {
        return new ApiException(413, "request_too_large", "the body must have at most %d bytes".formatted(maxBytes));
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
        if (body.length() + part.length() > maxBytes) {
            stop();
            request.handler(null);
            request.endHandler(null);
            exchange.closeAfterwards();
            exchange.fail(tooLarge(maxBytes));
            return;
        }
        body.appendBuffer(part);
    }

    private void finish() {
        stop();
        if (!exchange.isAnswered()) {
            exchange.runGuarded(() -> handler.accept(body.getBytes()));
        }
    }
}
