package io.github.zimage.internal.hub;

import io.github.zimage.hub.PullListener;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/** Adds up what the threads of a download have done, and tells a listener, one thread at a time. Thread-safe. */
final class PullProgress {
    private final PullListener listener;
    private final long total;
    private final Map<String, Long> done = new HashMap<>();
    private long sum;

    PullProgress(PullListener listener, long total) {
        this.listener = listener;
        this.total = total;
    }

    /** Says how much of a file is here. */
    synchronized void set(HubFile file, long bytes) {
        Long before = done.put(file.path(), bytes);
        long difference = bytes - (before == null ? 0 : before);
        sum += difference;
        if (difference != 0) {
            listener.onBytes(sum, total);
        }
    }

    /** Says that a file has come, or was found here. */
    synchronized void whole(HubFile file) {
        set(file, file.bytes());
        listener.onFile(file.path());
    }

    synchronized void retry(HubFile file, String reason, Duration pause) {
        listener.onRetry(file.path(), reason, pause);
    }
}
