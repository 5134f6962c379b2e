package io.github.zimage.cli;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.Sampling.StepCache;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows on a terminal how work gets on: one line for each part of it, one after the other; and logs when each part was done. */
final class Progress implements GenerationListener, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Progress.class);

    private static final String STEPS = "steps";

    private final @Nullable ProgressLine line;
    private int steps;
    private StepCache cache = StepCache.OFF;
    private PreviewFiles previews = new PreviewFiles(0, "", null);

    private Progress(@Nullable ProgressLine line) {
        this.line = line;
    }

    /** Returns a display on this line of a terminal, which it closes. */
    static Progress on(ProgressLine line) {
        return new Progress(line);
    }

    /** Returns a display that shows nothing. */
    static Progress silent() {
        return new Progress(null);
    }

    /** Shows the parts of a generation, beginning with the first. */
    synchronized void startGeneration(int steps) {
        startGeneration(steps, StepCache.OFF);
    }

    /**
     * Shows the parts of a generation, beginning with the first. Steps that are left out, which take no time, are not counted.
     *
     * @param cache says which are
     */
    synchronized void startGeneration(int steps, StepCache cache) {
        this.steps = steps;
        this.cache = cache;
        log(Duration.ZERO, "loaded");
        show("text", 0, false);
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
        show(task, total, true);
        advance(done, "");
        if (done >= total) {
            end();
        }
    }

    @Override
    public void onLoad(Component component, long bytesDone, long bytesTotal) {
        showBytes("load " + component.id(), bytesDone, bytesTotal);
    }

    @Override
    public void onConvert(Component component, long bytesDone, long bytesTotal) {
        if (bytesDone == bytesTotal) {
            log(Duration.ZERO, "weights of %s converted".formatted(component.id()));
        }
        showBytes("convert " + component.id(), bytesDone, bytesTotal);
    }

    @Override
    public synchronized void onEncode(Duration elapsed) {
        log(Duration.ZERO, "prompts encoded in " + Times.seconds(elapsed));
        show(STEPS, computed(steps, steps), false);
    }

    private int computed(int first, int steps) {
        return (int) IntStream.range(0, first)
                .filter(step -> cache.computes(step, steps))
                .count();
    }

    @Override
    public synchronized void onStep(int step, int steps, Duration elapsed) {
        if (step == 1) {
            log(elapsed, "the first step began");
        }
        log(Duration.ZERO, "step %d of %d done in %s".formatted(step, steps, Times.seconds(elapsed)));
        show(STEPS, computed(steps, steps), false);
        advance(computed(step, steps), Times.seconds(elapsed) + "/step");
        if (step == steps) {
            show("decode", 0, false);
        }
    }

    /** Has previews written. */
    synchronized void writePreviews(PreviewFiles files) {
        previews = files;
    }

    @Override
    public synchronized @Nullable Path previewDecoder() {
        return previews.decoder();
    }

    @Override
    public synchronized int previewSize(int step) {
        return previews.size(step);
    }

    @Override
    public synchronized void onPreview(int step, int index, BufferedImage preview) {
        previews.write(step, index, preview);
    }

    @Override
    public synchronized void onDecode(int index, int count, Duration elapsed) {
        log(Duration.ZERO, "picture %d of %d decoded in %s".formatted(index, count, Times.seconds(elapsed)));
        show("decode", count, false);
        advance(index, "");
        if (index == count) {
            end();
        }
    }

    @Override
    public synchronized void onUpscale(int index, int count, Duration elapsed) {
        log(Duration.ZERO, "picture %d of %d enlarged in %s".formatted(index, count, Times.seconds(elapsed)));
        show("upscale", count, false);
        advance(index, "");
        if (index == count) {
            end();
        }
    }

    private void show(String task, long total, boolean bytes) {
        if (line == null) {
            return;
        }
        if (line.shows(task)) {
            line.setTotal(total);
        } else {
            line.begin(task, total, bytes);
        }
    }

    private void advance(long done, String note) {
        if (line != null) {
            line.advance(done, note);
        }
    }

    /** Ends the line that is shown. */
    synchronized void end() {
        if (line != null) {
            line.end();
        }
    }

    @Override
    public synchronized void close() {
        if (line != null) {
            line.close();
        }
    }
}
