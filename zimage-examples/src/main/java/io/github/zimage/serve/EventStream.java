package io.github.zimage.serve;

import com.fasterxml.jackson.databind.JsonNode;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Server-sent events to one client. One that reads slowly gets fewer; one that does not read at all is cut off. Belongs to the event
 * loop of its connection.
 */
final class EventStream {
    static final String TYPE = "text/event-stream; charset=utf-8";

    private static final Logger LOG = LoggerFactory.getLogger(EventStream.class);
    private static final int QUEUE_BYTES = 128 << 10;
    private static final long BEAT_MILLIS = 10_000;
    private static final int BEATS_STUCK = 6;

    private final Exchange exchange;
    private final HttpServerResponse response;
    private final Runnable atEnd;
    private final long beat;
    private int stuck;

    /**
     * Prepares the headers.
     *
     * @param atEnd is run when the last event has left
     */
    EventStream(Exchange exchange, Runnable atEnd) {
        this.exchange = exchange;
        this.response = exchange.response();
        this.atEnd = atEnd;
        response.setStatusCode(200)
                .putHeader(HttpHeaders.CONTENT_TYPE, TYPE)
                .putHeader("X-Accel-Buffering", "no") // nginx would keep them until the end
                .setChunked(true)
                .setWriteQueueMaxSize(QUEUE_BYTES);
        beat = exchange.vertx().setPeriodic(BEAT_MILLIS, id -> beat());
    }

    /** Sends the headers. Whoever shall hear of everything must listen before that. */
    void begin() {
        write(": hello\n\n");
    }

    /** Proves that the client is still there, which a broken connection does not tell unless one writes. */
    private void beat() {
        if (response.closed() || response.ended()) {
            stop();
        } else if (!response.writeQueueFull()) {
            stuck = 0;
            write(": beat\n\n");
        } else if (++stuck >= BEATS_STUCK) {
            stop();
            exchange.abandon();
        }
    }

    /** Stops the beat. */
    void stop() {
        exchange.vertx().cancelTimer(beat);
    }

    /** Sends an event that a slow client may miss. */
    void offer(String name, JsonNode data) {
        if (!response.writeQueueFull()) {
            send(name, data);
        }
    }

    /** Sends a comment that a slow client may miss: a line of words of this server. */
    void comment(String words) {
        if (!response.writeQueueFull()) {
            write(": " + words + "\n\n");
        }
    }

    /** Sends an event. */
    void send(String name, JsonNode data) {
        send(name, data.toString());
    }

    /**
     * Sends an event.
     *
     * @param json the data, in one line
     */
    void send(String name, String json) {
        write("event: " + name + "\ndata: " + json + "\n\n");
    }

    /** Sends the last event, and ends. A client that does not take it within two minutes is cut off. */
    void finish(String name, String data) {
        send(name, data);
        stop();
        if (!response.closed() && !response.ended()) {
            long timer = exchange.vertx().setTimer(exchange.limits().answer().toMillis(), id -> exchange.abandon());
            response.end().onComplete(done -> {
                exchange.vertx().cancelTimer(timer);
                atEnd.run();
            });
        }
    }

    private void write(String text) {
        if (!response.closed() && !response.ended()) {
            response.write(text).onFailure(e -> LOG.debug("nobody heard it", e));
        }
    }
}
