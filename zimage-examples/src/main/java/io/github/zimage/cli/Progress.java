package io.github.zimage.cli;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows on a terminal how work gets on: one bar for each part of it, one after the other; and logs when each part was done. */
final class Progress implements GenerationListener, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Progress.class);

    private static final int COLUMNS = 79;
    private static final long MIB = 1 << 20;

    private final @Nullable PrintStream terminal;
    private @Nullable ProgressBar bar;
    private String task = "";
    private int steps;

    private Progress(@Nullable PrintStream terminal) {
        this.terminal = terminal;
    }

    /** Returns a display on this terminal. */
    static Progress on(PrintStream terminal) {
        return new Progress(terminal);
    }

    /** Returns a display that shows nothing. */
    static Progress silent() {
        return new Progress(null);
    }

    /** Shows the parts of a generation, beginning with the first. */
    void startGeneration(int steps) {
        this.steps = steps;
        log(Duration.ZERO, "loaded");
        show("text", -1, "", 1);
    }

    /**
     * Says when something happened.
     *
     * @param ago how long before now
     */
    private static void log(Duration ago, String what) {
        if (LOG.isDebugEnabled()) {
            ProcessHandle.current()
                    .info()
                    .startInstant()
                    .map(start -> Duration.between(start, Instant.now()).minus(ago))
                    .ifPresent(at -> LOG.debug("{} after the start of the process: {}", Times.seconds(at), what));
        }
    }

    /** Shows how many of all bytes are done. */
    synchronized void showBytes(String task, long done, long total) {
        show(task, total, " MiB", MIB);
        stepTo(done);
        if (done >= total) {
            end();
        }
    }

    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        showBytes("load " + component.folder(), bytesDone, bytesTotal);
    }

    @Override
    public void onConvert(Component component, long bytesDone, long bytesTotal) {
        if (bytesDone == bytesTotal) {
            log(Duration.ZERO, "weights of %s converted".formatted(component.folder()));
        }
        showBytes("convert " + component.folder(), bytesDone, bytesTotal);
    }

    @Override
    public synchronized void onEncode(Duration elapsed) {
        log(Duration.ZERO, "prompts encoded in " + Times.seconds(elapsed));
        show("steps", steps, "", 1);
    }

    @Override
    public synchronized void onStep(int step, int steps, Duration elapsed) {
        if (step == 1) {
            log(elapsed, "the first step began");
        }
        log(Duration.ZERO, "step %d of %d done in %s".formatted(step, steps, Times.seconds(elapsed)));
        show("steps", steps, "", 1);
        if (bar != null) {
            bar.setExtraMessage(Times.seconds(elapsed) + "/step");
        }
        stepTo(step);
        if (step == steps) {
            show("decode", -1, "", 1);
        }
    }

    @Override
    public synchronized void onDecode(int index, int count, Duration elapsed) {
        log(Duration.ZERO, "picture %d of %d decoded in %s".formatted(index, count, Times.seconds(elapsed)));
        show("decode", count, "", 1);
        stepTo(index);
        if (index == count) {
            end();
        }
    }

    private synchronized void show(String task, long max, String unit, long unitSize) {
        PrintStream terminal = this.terminal;
        if (terminal == null) {
            return;
        }
        if (bar != null && this.task.equals(task)) {
            bar.maxHint(max);
            return;
        }
        end();
        this.task = task;
        bar = new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(max)
                .setUnit(unit, unitSize)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(500)
                .setConsumer(new DelegatingProgressBarConsumer(text -> terminal.print('\r' + text), COLUMNS))
                .build();
    }

    private synchronized void stepTo(long value) {
        if (bar != null) {
            bar.stepTo(value);
        }
    }

    /** Ends the bar that is shown. */
    synchronized void end() {
        if (bar != null && terminal != null) {
            bar.close();
            terminal.println(); // the library's own consumer forgets this for bars that end at once
            bar = null;
        }
    }

    @Override
    public void close() {
        end();
    }
}
