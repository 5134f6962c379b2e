package io.github.zimage.serve;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;

/**
 * Sends a body in parts, each when there is room for it, so that a client that reads slowly keeps no copy of it in memory. Belongs to the
 * event loop of its connection.
 */
final class AnswerBody {
    private static final int PART = 64 << 10;

    private final HttpServerResponse response;
    private final byte[] bytes;
    private final Promise<Void> sent = Promise.promise();
    private int position;

    private AnswerBody(HttpServerResponse response, byte[] bytes) {
        this.response = response;
        this.bytes = bytes;
    }

    /** Sends a body, whose length is in the headers, and ends the answer; the future says when it has left. */
    static Future<Void> send(HttpServerResponse response, byte[] bytes) {
        if (bytes.length <= PART) {
            return response.end(Buffer.buffer(bytes));
        }
        AnswerBody body = new AnswerBody(response, bytes);
        response.exceptionHandler(body.sent::tryFail);
        response.setWriteQueueMaxSize(PART).drainHandler(nothing -> body.go());
        body.go();
        return body.sent.future();
    }

    private void go() {
        while (!response.closed() && !response.writeQueueFull() && bytes.length - position > PART) {
            response.write(part(PART)).onFailure(sent::tryFail);
        }
        if (!response.closed() && !response.ended() && bytes.length - position <= PART) {
            response.drainHandler(null);
            response.end(part(bytes.length - position)).onComplete(done -> {
                if (done.succeeded()) {
                    sent.tryComplete();
                } else {
                    sent.tryFail(done.cause());
                }
            });
        }
    }

    private Buffer part(int length) {
        Buffer part = Buffer.buffer(length).appendBytes(bytes, position, length);
        position += length;
        return part;
    }
}
