package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The log's lines about jobs. Prompts are not in it. */
final class JobLog {
    private static final Logger LOG = LoggerFactory.getLogger(JobLog.class);

    private JobLog() {}

    static void admitted(Job job, int running, int waiting) {
        GenerationRequest request = job.request();
        LOG.info(
                "job={} state={} size={}x{} steps={} count={} running={} waiting={}",
                job.id(),
                job.state(),
                request.width(),
                request.height(),
                request.steps(),
                request.count(),
                running,
                waiting);
    }

    static void ended(Job job, long now) {
        GenerationRequest request = job.request();
        ApiException failure = job.failure();
        LOG.info(
                "job={} state={} code={} size={}x{} steps={} count={} attempt={} waited_ms={} drawn_ms={}",
                job.id(),
                job.state(),
                failure == null ? "-" : failure.code(),
                request.width(),
                request.height(),
                request.steps(),
                request.count(),
                job.attempts(),
                job.waitedNanos(now) / 1_000_000,
                job.drawnNanos(now) / 1_000_000);
    }

    static void outOfMemory(Job job, String reason) {
        LOG.warn("Out of memory in job {}, attempt {}: {}", job.id(), job.attempts(), reason);
    }

    static void begunAgain(Job job, String why) {
        LOG.warn("Job {} goes back to the queue after attempt {}: {}", job.id(), job.attempts(), why);
    }

    static void failed(Job job, String reason, @Nullable Throwable failure) {
        LOG.error("Job {} failed: {}", job.id(), reason, failure);
    }
}
