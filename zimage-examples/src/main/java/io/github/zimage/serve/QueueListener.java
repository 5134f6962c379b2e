package io.github.zimage.serve;

import java.time.Duration;

/** Hears what becomes of jobs. Called while the queue is locked, so it must not wait. */
interface QueueListener {
    /** A step was done. */
    void onStep(Duration elapsed);

    /** A job has ended, in whichever way. */
    void onEnd(Job job, Duration waited, Duration drawn);

    /** A job has failed by no fault of its client's. */
    void onFailure(JobFailure failure);

    /** A job is generated again; the failure says why. */
    void onRetry(Job job, String why);

    /** Memory ran out, and the pipeline tries again with less. */
    void onRelief();

    /** Memory ran out, and the pipeline could not help itself. */
    void onOutOfMemory();
}
