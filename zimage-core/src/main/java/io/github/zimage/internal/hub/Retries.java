package io.github.zimage.internal.hub;

import java.io.IOException;
import java.net.ConnectException;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.function.BiConsumer;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLPeerUnverifiedException;

/** How often a request is made again, and after which pauses. Not thread-safe. */
final class Retries {
    /** Longer than this nobody is kept waiting, whatever a server asks for. */
    static final Duration LONGEST = Duration.ofSeconds(60);

    private static final int MOST = 5;
    private static final int MOST_WITHOUT_CONNECTION = 2;

    private final Pause pause;
    private final BiConsumer<String, Duration> listener;
    private int failures;

    /** @param listener hears of each failure: its reason, and how long the pause is */
    Retries(Pause pause, BiConsumer<String, Duration> listener) {
        this.pause = pause;
        this.listener = listener;
    }

    /** Bytes have come, so that earlier failures count no more. */
    void gotOn() {
        failures = 0;
    }

    /**
     * Waits after a failure.
     *
     * @throws IOException that failure, if it makes no sense to try again
     */
    void failed(IOException e) throws IOException, InterruptedException {
        if (e instanceof ClosedByInterruptException || Thread.currentThread().isInterrupted()) {
            throw new InterruptedException();
        }
        failures++;
        if (!mayPass(e) || failures > (hasNoConnection(e) ? MOST_WITHOUT_CONNECTION : MOST)) {
            throw e;
        }
        Duration wait = Duration.ofSeconds(1L << (failures - 1));
        if (e instanceof HubRefusal refusal && refusal.retryAfter() != null) {
            wait = refusal.retryAfter();
        }
        wait = wait.compareTo(LONGEST) > 0 ? LONGEST : wait;
        listener.accept(reason(e), wait);
        pause.take(wait);
    }

    private static boolean mayPass(IOException e) {
        if (e instanceof HubRefusal refusal) {
            return refusal.isTemporary();
        }
        return !(e instanceof SSLHandshakeException
                || e instanceof SSLPeerUnverifiedException
                || e instanceof WrongContent);
    }

    /** Returns whether no server was reached. */
    static boolean hasNoConnection(IOException e) {
        return e instanceof ConnectException
                || e instanceof UnknownHostException
                || e instanceof HttpConnectTimeoutException;
    }

    /** Returns what went wrong, for people. */
    static String reason(IOException e) {
        if (e instanceof UnknownHostException || e.getCause() instanceof UnresolvedAddressException) {
            return "the host's name is not known here";
        }
        String message = e.getMessage();
        if (e instanceof ConnectException) {
            return "no connection" + (message == null ? "" : ": " + message);
        }
        return message == null ? e.getClass().getSimpleName() : message;
    }
}
