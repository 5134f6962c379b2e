package io.github.zimage.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.hub.HubName;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.hub.PullPlan.PlannedFile;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

final class DownloadProgressTest {
    private static final long MIB = 1 << 20;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final ProgressLine line = ProgressLine.overwriting(new PrintStream(bytes, true, UTF_8), () -> 100);
    private final AtomicLong clock = new AtomicLong();
    private final DownloadProgress progress = new DownloadProgress(line, clock::get);

    private static PullPlan plan(long total, long here) {
        return new PullPlan(
                HubName.parse("a/b"), "main", Path.of("x"), List.of(new PlannedFile("f", total, here)), total);
    }

    private void at(double seconds, long done) {
        clock.set((long) (seconds * 1e9));
        progress.onBytes(done, 1000 * MIB);
    }

    private String last() {
        progress.close(); // draws what is true now
        String[] drawn = bytes.toString(UTF_8).strip().split("\r", -1);
        return drawn[drawn.length - 1];
    }

    // What was here before did not come at any rate.
    @Test
    void rate_isThatOfTheLastSeconds_withoutWhatWasHere() {
        progress.onPlan(plan(1000 * MIB, 600 * MIB));
        at(1, 650 * MIB);
        at(2, 700 * MIB);
        assertThat(last()).contains(" 70% 700/1000 MiB 50.0 MiB/s ");
    }

    @Test
    void rate_followsAConnectionThatSlowsDown() {
        progress.onPlan(plan(1000 * MIB, 0));
        for (int second = 1; second <= 5; second++) {
            at(second, 100 * MIB * second);
        }
        for (int second = 6; second <= 30; second++) {
            at(second, 500 * MIB + MIB * (second - 5));
        }
        assertThat(last()).contains("525/1000 MiB 1.0 MiB/s ");
    }

    @Test
    void damagedBytes_countNoMore() {
        progress.onPlan(plan(1000 * MIB, 0));
        at(1, 900 * MIB);
        at(2, 100 * MIB);
        at(3, 110 * MIB);
        assertThat(last()).contains(" 11% 110/1000 MiB 10.0 MiB/s ");
    }

    @Test
    void pauses_areSaid() {
        progress.onPlan(plan(1000 * MIB, 0));
        progress.onRetry("f", "the hub answered 503", Duration.ofSeconds(8));
        assertThat(last()).contains("again in 8 s: the hub answered 503");
    }

    @Test
    void nothingToFetch_showsNothing() {
        progress.onPlan(plan(1000, 1000));
        progress.onBytes(1000, 1000);
        progress.close();
        assertThat(bytes.size()).isZero();
    }
}
