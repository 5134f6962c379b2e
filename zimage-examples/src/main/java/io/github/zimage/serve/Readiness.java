package io.github.zimage.serve;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.OutOfDeviceMemoryException;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether requests can succeed. A model whose files have changed is broken for all. After several other failures in a row, the picture that
 * is drawn at the start is drawn again, as the fault may be in the requests: nobody can make the server look broken by what they ask for.
 * Thread-safe; what is recorded takes no time.
 */
final class Readiness {
    private static final Logger LOG = LoggerFactory.getLogger(Readiness.class);
    private static final int SUSPICIOUS = 3;

    private final Executor tester;
    private @Nullable ImageBackend backend;
    private int failures;
    private boolean testing;
    private volatile @Nullable String failing;

    /** @param tester draws, which takes time */
    Readiness(Executor tester) {
        this.tester = tester;
    }

    /** Begins anew, with a backend that has just drawn. */
    synchronized void attach(ImageBackend next) {
        backend = next;
        failures = 0;
        testing = false;
        failing = null;
    }

    /** Returns why every request fails, if that is so. */
    Optional<String> failing() {
        return Optional.ofNullable(failing);
    }

    synchronized void recordSuccess() {
        failures = 0;
        failing = null;
    }

    synchronized void recordFailure(JobFailure failure) {
        ImageBackend suspect = backend;
        if (failure.kind() == JobFailure.Kind.BROKEN_MODEL) {
            become(failure.reason());
        } else if (++failures >= SUSPICIOUS && !testing && failing == null && suspect != null) {
            testing = true;
            try {
                tester.execute(() -> test(suspect));
            } catch (RejectedExecutionException e) {
                LOG.debug("The server is ending", e);
            }
        }
    }

    private void test(ImageBackend suspect) {
        String reason = null;
        try {
            suspect.warmUp((request, elapsed) -> {});
        } catch (OutOfDeviceMemoryException | GenerationCancelledException | IllegalStateException e) {
            LOG.debug("That says nothing of others", e);
        } catch (RuntimeException | Error e) {
            reason = JobFailure.reason(e);
        }
        synchronized (this) {
            if (suspect == backend) {
                testing = false;
                failures = 0;
                if (reason != null) {
                    become(reason);
                }
            }
        }
    }

    private void become(String reason) {
        if (failing == null) {
            LOG.error("Every request fails: {}", reason);
        }
        failing = reason;
    }
}
