package io.github.zimage.serve;

import io.vertx.core.http.HttpConnection;
import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The open connections and what they are at. Those without a request are closed after a while. When there are too many, one makes room
 * for the next: an idle one before one that sends or reads, of the address that has the most. One that waits for pictures or events is
 * never closed for another. Thread-safe.
 */
final class Connections {
    private static final Logger LOG = LoggerFactory.getLogger(Connections.class);

    /** What a connection is at, beginning with what is the least loss. */
    enum Phase {
        /** It has not sent a whole head of a request since it was opened, or since its last answer. */
        IDLE,
        /** Its request is coming. */
        SENDING,
        /** Its answer is leaving. */
        READING,
        /** Its request is being worked on, or it hears events. */
        WAITING
    }

    private static final class Entry {
        private final String address;
        private Phase phase = Phase.IDLE;
        private long since;
        private Duration allowed;

        Entry(String address, long since, Duration allowed) {
            this.address = address;
            this.since = since;
            this.allowed = allowed;
        }
    }

    private final HttpLimits limits;
    private final LongSupplier nanoTime;
    private final Map<HttpConnection, Entry> open = new LinkedHashMap<>();
    private int waiting;

    Connections(HttpLimits limits, LongSupplier nanoTime) {
        this.limits = limits;
        this.nanoTime = nanoTime;
    }

    /** Takes a new connection, if need be in place of another. */
    void add(HttpConnection connection) {
        String address = connection.remoteAddress().hostAddress();
        connection.closeHandler(nothing -> remove(connection));
        Optional<HttpConnection> victim = Optional.empty();
        synchronized (this) {
            if (open.size() >= limits.connections()) {
                victim = victim();
                victim.ifPresent(this::remove);
            }
            if (open.size() < limits.connections()) {
                open.put(connection, new Entry(address, nanoTime.getAsLong(), limits.firstRequest()));
            } else {
                victim = Optional.of(connection);
            }
        }
        victim.ifPresent(Connections::close);
    }

    private Optional<HttpConnection> victim() {
        Map<String, Integer> counts = new HashMap<>();
        open.values().forEach(entry -> counts.merge(entry.address, 1, Integer::sum));
        return open.entrySet().stream()
                .filter(each -> each.getValue().phase != Phase.WAITING)
                .min(Comparator.<Map.Entry<HttpConnection, Entry>, Phase>comparing(each -> each.getValue().phase)
                        .thenComparing(each -> -counts.getOrDefault(each.getValue().address, 0))
                        .thenComparing(each -> each.getValue().since))
                .map(Map.Entry::getKey);
    }

    private synchronized void remove(HttpConnection connection) {
        Entry entry = open.remove(connection);
        if (entry != null && entry.phase == Phase.WAITING) {
            waiting--;
        }
    }

    /** Notes what a connection is at from now on. */
    synchronized void enter(HttpConnection connection, Phase phase) {
        Entry entry = open.get(connection);
        if (entry == null) {
            return;
        }
        waiting += (phase == Phase.WAITING ? 1 : 0) - (entry.phase == Phase.WAITING ? 1 : 0);
        entry.phase = phase;
        entry.since = nanoTime.getAsLong();
        entry.allowed = limits.idle();
    }

    /**
     * Notes that a connection waits from now on.
     *
     * @throws ApiException if so many do that others could not ask how the server is
     */
    synchronized void await(HttpConnection connection) {
        Entry entry = open.get(connection);
        if (entry != null && entry.phase != Phase.WAITING && waiting >= limits.waiting()) {
            throw ApiException.retryable(
                    503, "too_many_connections", "%d connections wait for answers already".formatted(waiting), 5);
        }
        enter(connection, Phase.WAITING);
    }

    synchronized int size() {
        return open.size();
    }

    /** Closes those that have been idle for too long. */
    void closeIdle() {
        long now = nanoTime.getAsLong();
        Collection<HttpConnection> idle;
        synchronized (this) {
            idle = List.copyOf(open.entrySet().stream()
                    .filter(each -> each.getValue().phase == Phase.IDLE)
                    .filter(each -> now - each.getValue().since
                            > each.getValue().allowed.toNanos())
                    .map(Map.Entry::getKey)
                    .toList());
        }
        idle.forEach(Connections::close);
    }

    static void close(HttpConnection connection) {
        connection.close().onFailure(e -> LOG.debug("already closed", e));
    }
}
