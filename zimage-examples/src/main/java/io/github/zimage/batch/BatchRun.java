package io.github.zimage.batch;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;

/**
 * A table to draw, for those who start one.
 *
 * @param table the file, {@code .jsonl} or {@code .csv}
 * @param folder where pictures and manifest go
 * @param shard which part of the table
 * @param ignored columns that mean nothing here
 * @param retryErrors whether rows that were errors are tried again
 * @param defaults what rows do not say; its prompt stands for nothing
 */
public record BatchRun(
        Path table, Path folder, Shard shard, Set<String> ignored, boolean retryErrors, GenerationRequest defaults) {

    /**
     * How many pictures there were.
     *
     * @param drawn those drawn in this run
     * @param skipped those that were there before
     * @param failed rows that are errors
     */
    public record Counts(long drawn, long skipped, long failed) {}

    /** Hears after each row and picture how many there are, and how much of the table has been read, from 0 to 1. */
    public interface Progress {
        /** Says how far it is. */
        void advance(Counts counts, double ofTable);
    }

    /**
     * Draws with a pipeline.
     *
     * @param model the checkpoint of the pipeline
     * @param precision what the pipeline computes in, since other precisions give other pictures
     * @param inFlight how many pictures are ordered at once
     * @throws IOException if a file cannot be read or written; what is drawn until then stays
     * @throws IllegalStateException if another run writes to the same manifest
     */
    public Counts draw(ZImagePipeline pipeline, Path model, String precision, int inFlight, Progress progress)
            throws IOException {
        RowReader reader = new RowReader(defaults, ignored, ModelDigest.of(model) + " " + precision);
        try (Table rows = Table.open(table)) {
            return new Batch(reader, new PipelinePainter(pipeline), folder, shard, inFlight)
                    .run(rows, retryErrors, progress);
        }
    }
}
