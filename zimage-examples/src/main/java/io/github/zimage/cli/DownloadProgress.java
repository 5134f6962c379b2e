package io.github.zimage.cli;

import io.github.zimage.hub.PullListener;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.internal.io.ShownText;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows on a terminal how a download gets on: how much has come, how fast, and how long the rest may take. Thread-safe. */
final class DownloadProgress implements PullListener, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DownloadProgress.class);
    private static final double MIB = 1 << 20;
    /** The rate is that of the last seconds, since connections change theirs. */
    private static final long WINDOW_NANOS = 10_000_000_000L;

    private static final long SAMPLE_NANOS = 250_000_000L;
    private static final String TASK = "download";

    /** How much had come when. */
    private record Sample(long nanos, long bytes) {}

    private final @Nullable ProgressLine line;
    private final LongSupplier clock;
    private final Deque<Sample> samples = new ArrayDeque<>();
    private long total;

    /** @param line a line of a terminal, which is closed with this, or null to show nothing */
    DownloadProgress(@Nullable ProgressLine line, LongSupplier clock) {
        this.line = line;
        this.clock = clock;
    }

    @Override
    public synchronized void onPlan(PullPlan plan) {
        LOG.debug("{}", plan);
        total = plan.bytes();
        long here = total - plan.missingBytes();
        samples.clear();
        samples.add(new Sample(clock.getAsLong(), here));
        if (line != null && plan.missingBytes() > 0) {
            line.begin(TASK, total, true);
            line.goOnFrom(here);
        }
    }

    @Override
    public synchronized void onBytes(long bytesDone, long bytesTotal) {
        show(bytesDone, rate(bytesDone));
    }

    private void show(long bytesDone, String note) {
        if (line != null && line.shows(TASK)) {
            line.advance(bytesDone, note);
            if (bytesDone == total) {
                line.end();
            }
        }
    }

    /** Returns how fast bytes came in the last seconds, or an empty text as long as nobody can say. */
    private String rate(long bytesDone) {
        long now = clock.getAsLong();
        Sample last = samples.peekLast();
        if (last == null || bytesDone < last.bytes()) {
            samples.clear(); // something was damaged and comes again
        }
        if (samples.isEmpty() || now - samples.getLast().nanos() > SAMPLE_NANOS) {
            samples.add(new Sample(now, bytesDone));
        }
        while (samples.size() > 2 && now - samples.getFirst().nanos() > WINDOW_NANOS) {
            samples.removeFirst();
        }
        Sample first = samples.getFirst();
        long nanos = now - first.nanos();
        return nanos < SAMPLE_NANOS
                ? ""
                : String.format(Locale.ROOT, "%.1f MiB/s", (bytesDone - first.bytes()) / MIB / (nanos / 1e9));
    }

    @Override
    public void onFile(String path) {
        LOG.debug("{} is here and was checked", path);
    }

    @Override
    public synchronized void onRetry(String path, String reason, Duration pause) {
        if (line != null && line.shows(TASK)) {
            line.note("again in %d s: %s".formatted(pause.toSeconds(), ShownText.cut(reason, 40)));
        }
    }

    @Override
    public synchronized void close() {
        if (line != null) {
            line.close();
        }
    }
}
