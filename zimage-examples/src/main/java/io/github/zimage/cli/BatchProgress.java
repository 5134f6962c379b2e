package io.github.zimage.cli;

import io.github.zimage.batch.BatchRun;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Says how far a batch is: in a line of a terminal that is drawn over, or every half minute in one of its own. */
final class BatchProgress implements BatchRun.Progress, AutoCloseable {
    private static final int PARTS = 1000;
    private static final Duration PAUSE = Duration.ofSeconds(30);

    private final PrintWriter out;
    private final @Nullable ProgressLine line;
    private final long start = System.nanoTime();
    private long printed = start;
    private boolean closed;

    private BatchProgress(PrintWriter out, @Nullable ProgressLine line) {
        this.out = out;
        this.line = line;
    }

    static BatchProgress on(PrintWriter err) {
        if (!Terminal.isInteractive() || Terminal.isDumb()) {
            return new BatchProgress(err, null);
        }
        ProgressLine line = ProgressLine.overwriting(System.err, TerminalWidth.watched());
        line.begin("table", PARTS, false);
        return new BatchProgress(err, line);
    }

    @Override
    public void advance(BatchRun.Counts counts, double ofTable) {
        if (line != null) {
            line.advance(Math.round(PARTS * ofTable), note(counts));
        } else if (System.nanoTime() - printed > PAUSE.toNanos()) {
            printed = System.nanoTime();
            out.println(
                    String.format(Locale.ROOT, "zimage: %.1f %% of the table read, %s", 100 * ofTable, note(counts)));
        }
    }

    private String note(BatchRun.Counts counts) {
        double minutes = (System.nanoTime() - start) / 60e9;
        return String.format(
                Locale.ROOT,
                "%d drawn (%.1f a minute), %d there, %d errors",
                counts.drawn(),
                counts.drawn() / Math.max(minutes, 1e-3),
                counts.skipped(),
                counts.failed());
    }

    @Override
    public void close() {
        if (line != null && !closed) {
            line.close();
        }
        closed = true;
    }
}
