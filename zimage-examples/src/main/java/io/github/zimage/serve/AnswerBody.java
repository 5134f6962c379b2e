package io.github.zimage.serve;

import io.vertx.core.AsyncResult;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerResponse;

/**
 * Sends a body in parts, the next when one of those before has left, so that a client that reads slowly keeps no copy of it in memory.
 * Belongs to the event loop of its connection.
 */
final class AnswerBody {
    private static final int PART = 64 << 10;
    private static final int MOST_ON_THEIR_WAY = 2;

    private final HttpServerResponse response;
    private final byte[] bytes;
    private final Promise<Void> sent = Promise.promise();
    private int position;
    private int onTheirWay;
    private boolean going;

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
        body.go();
        return body.sent.future();
    }

    private void go() {
        if (going) {
            return; // a part has left at once: the loop below goes on
        }
        going = true;
        while (onTheirWay < MOST_ON_THEIR_WAY && position < bytes.length && !response.closed()) {
            onTheirWay++;
            int length = Math.min(PART, bytes.length - position);
            boolean last = length == bytes.length - position;
            Buffer part = part(length);
            (last ? response.end(part) : response.write(part)).onComplete(done -> onLeft(done, last));
        }
        going = false;
    }

    private void onLeft(AsyncResult<Void> part, boolean last) {
        onTheirWay--;
        if (part.failed()) {
            sent.tryFail(part.cause());
        } else if (last) {
            sent.tryComplete();
        } else {
            go();
        }
    }

    private Buffer part(int length) {
        Buffer part = Buffer.buffer(length).appendBytes(bytes, position, length);
        position += length;
        return part;
    }
}
