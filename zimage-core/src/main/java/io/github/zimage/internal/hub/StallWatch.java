package io.github.zimage.internal.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Closes connections on which nothing has come for some time, or whose download was cancelled. Java's HTTP client would wait for ever, and
 * its streams take no notice of an interrupt. Thread-safe.
 */
final class StallWatch implements AutoCloseable {
    private final Duration patience;
    private final Set<Watched> streams = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService clock;
    private volatile boolean cancelled;

    @SuppressWarnings("FutureReturnValueIgnored") // looking throws nothing
    StallWatch(Duration patience) {
        this.patience = patience;
        clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "zimage-pull-watch");
            thread.setDaemon(true);
            return thread;
        });
        long millis = Math.max(1, patience.toMillis() / 4);
        clock.scheduleWithFixedDelay(() -> streams.forEach(Watched::look), millis, millis, TimeUnit.MILLISECONDS);
    }

    /** Returns a stream that fails if nothing comes in time. Closing it ends the watch, too. */
    InputStream watch(InputStream stream) {
        Watched watched = new Watched(stream);
        streams.add(watched);
        return watched;
    }

    /** Ends all reading, now and later. */
    void cancel() {
        cancelled = true;
        streams.forEach(Watched::closeQuietly);
    }

    private final class Watched extends FilterInputStream {
        private volatile long last = System.nanoTime();
        private volatile boolean stalled;

        Watched(InputStream stream) {
            super(stream);
        }

        void look() {
            if (System.nanoTime() - last > patience.toNanos()) {
                stalled = true;
                closeQuietly();
            }
        }

        void closeQuietly() {
            try {
                close();
            } catch (IOException e) {
                // Whoever reads hears why.
            }
        }

        @Override
        public int read() throws IOException {
            throw new UnsupportedOperationException();
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            try {
                int count = cancelled ? -1 : super.read(bytes, offset, length);
                check();
                last = System.nanoTime();
                return count;
            } catch (IOException e) {
                check();
                throw e;
            }
        }

        private void check() throws IOException {
            if (cancelled) {
                throw new ClosedByInterruptException();
            }
            if (stalled) {
                throw new SocketTimeoutException("nothing came for " + patience.toSeconds() + " seconds");
            }
        }

        @Override
        public void close() throws IOException {
            streams.remove(this);
            super.close();
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
