package io.github.zimage.cli;

import io.github.zimage.GeneratedImage;
import java.time.Duration;
import java.util.Locale;

/** Durations as people read them. */
final class Times {
    private Times() {}

    static String seconds(Duration duration) {
        double seconds = duration.toNanos() / 1e9;
        return String.format(Locale.ROOT, seconds < 9.995 ? "%.2f s" : "%.1f s", seconds);
    }

    /** Returns where the time of one generation went, in one line. */
    static String summary(GeneratedImage.Timings timings) {
        int steps = timings.steps().size();
        String each = steps < 2
                ? ""
                : " (%s each)".formatted(seconds(timings.denoise().dividedBy(steps)));
        if (timings.forwards() < steps) {
            each = " (%d evaluated)".formatted(timings.forwards());
        }
        return "text %s, %d %s %s%s, decode %s"
                .formatted(
                        seconds(timings.encode()),
                        steps,
                        steps == 1 ? "step" : "steps",
                        seconds(timings.denoise()),
                        each,
                        seconds(timings.decode()));
    }
}
