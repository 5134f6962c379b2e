package io.github.zimage.hub;

import java.time.Duration;

/**
 * Hears how a download gets on. Every method does nothing unless overridden. The threads that download call it, one at a time; it should
 * return soon. An exception that it throws ends the download and reaches the caller.
 */
public interface PullListener {

    /**
     * It is known what there is to do.
     *
     * @param plan the files, and how much of them is here
     */
    default void onPlan(PullPlan plan) {}

    /**
     * Bytes have come, or have been found damaged and count no more.
     *
     * @param bytesDone of all files, those that were here before among them
     * @param bytesTotal of all files
     */
    default void onBytes(long bytesDone, long bytesTotal) {}

    /**
     * A file has come and was checked.
     *
     * @param path in the repository
     */
    default void onFile(String path) {}

    /**
     * A request failed, or what came was damaged, and it is asked for once more after a pause.
     *
     * @param path of the file, or of the list of files
     * @param reason what went wrong, for people
     */
    default void onRetry(String path, String reason, Duration pause) {}
}
