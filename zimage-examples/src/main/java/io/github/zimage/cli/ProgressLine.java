package io.github.zimage.cli;

import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Timer;
import java.util.TimerTask;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A line of a terminal that says how far a part of some work is. It is drawn over itself, at the width that the terminal has at that
 * moment, twice a second and when something happens; or, where a terminal cannot do that, there is a new line for each step.
 * Thread-safe.
 */
final class ProgressLine implements AutoCloseable {
    private static final int INTERVAL_MILLIS = 500;
    private static final int PAUSE_NANOS = 100_000_000;
    private static final int LONGEST_BAR = 40;
    private static final int SHORTEST_BAR = 4;
    /** What a bar has around it: a blank and two brackets. */
    private static final int FRAME = 3;

    private static final double MIB = 1 << 20;

    /** From which on a decimal says nothing. */
    private static final double MANY_MIB = 100;

    private final PrintStream terminal;
    private final @Nullable IntSupplier columns;
    private @Nullable Timer clock;

    private @Nullable String task;
    private boolean bytes;
    private long done;
    private long before;
    private long total;
    private long start;
    private String note = "";
    private int drawn;
    private long lastDrawn;

    private ProgressLine(PrintStream terminal, @Nullable IntSupplier columns) {
        this.terminal = terminal;
        this.columns = columns;
    }

    /** Returns a line that is drawn over itself. */
    static ProgressLine overwriting(PrintStream terminal, IntSupplier columns) {
        return new ProgressLine(terminal, columns);
    }

    /** Returns lines that follow each other, for terminals that know no carriage return. */
    static ProgressLine following(PrintStream terminal) {
        return new ProgressLine(terminal, null);
    }

    /** Returns whether a part of this name is shown. */
    synchronized boolean shows(String name) {
        return name.equals(task);
    }

    /**
     * Begins a part, ending the one before.
     *
     * @param total how many steps or bytes it has, or 0 if that is unknown
     */
    synchronized void begin(String name, long total, boolean bytes) {
        end();
        task = name;
        this.total = total;
        this.bytes = bytes;
        done = 0;
        before = 0;
        note = "";
        start = System.nanoTime();
        if (columns != null) {
            draw();
            startClock();
        }
    }

    /** Says how many steps or bytes were done before this part began, so that they took none of its time. */
    synchronized void goOnFrom(long already) {
        before = already;
        done = already;
    }

    /** Says something beside how much is done. */
    synchronized void note(String text) {
        note = text;
    }

    /** Says how many steps or bytes there are, if it has turned out only now. */
    synchronized void setTotal(long total) {
        this.total = total;
    }

    /**
     * Says how many steps or bytes are done.
     *
     * @param note what to say beside it, or an empty text
     */
    synchronized void advance(long done, String note) {
        if (task == null) {
            return;
        }
        boolean step = done > this.done && !bytes;
        this.done = done;
        this.note = note;
        if (columns != null) {
            drawUnlessJustDone();
        } else if (step && done < total) {
            terminal.println(text(task, Integer.MAX_VALUE));
        }
    }

    /** Ends the part that is shown. */
    synchronized void end() {
        if (task == null) {
            return;
        }
        if (total <= 0) {
            total = 1;
            done = 1;
        }
        if (columns == null) {
            terminal.println(text(task, Integer.MAX_VALUE));
        } else {
            draw();
            terminal.println();
        }
        drawn = 0;
        task = null;
    }

    private void startClock() {
        if (clock == null) {
            clock = new Timer("zimage-progress", true);
            clock.schedule(
                    new TimerTask() {
                        @Override
                        public void run() {
                            draw();
                        }
                    },
                    INTERVAL_MILLIS,
                    INTERVAL_MILLIS);
        }
    }

    /** Bytes come in many pieces, and a slow connection would have to carry each drawing. */
    private void drawUnlessJustDone() {
        if (!bytes || System.nanoTime() - lastDrawn > PAUSE_NANOS) {
            draw();
        }
    }

    private synchronized void draw() {
        if (task == null || columns == null) {
            return;
        }
        // In the last column, many terminals would begin a new line.
        int width = Math.max(1, columns.getAsInt() - 1);
        String text = text(task, width);
        terminal.print('\r' + text + " ".repeat(Math.max(0, Math.min(width, drawn) - text.length())));
        terminal.flush();
        drawn = text.length();
        lastDrawn = System.nanoTime();
    }

    /** Returns the line; where there is no room for all of it, without what is least important. */
    private String text(String name, int width) {
        List<String> details = details();
        boolean hasBar = columns != null && total > 0;
        int least = hasBar ? FRAME + SHORTEST_BAR : 0;
        while (details.size() > 1 && name.length() + least + length(details) > width) {
            details.remove(details.size() - 1);
        }
        int room = Math.min(LONGEST_BAR, width - name.length() - FRAME - length(details));
        String bar = hasBar && room >= SHORTEST_BAR ? " [" + bar(room) + "]" : "";
        String right = bar + " " + String.join(" ", details);
        String shown = name.substring(0, Math.max(0, Math.min(name.length(), width - right.length())));
        String text = shown.isEmpty() ? right.strip() : shown + right;
        return text.length() <= width ? text : text.substring(0, width);
    }

    private static int length(List<String> details) {
        return details.stream().mapToInt(detail -> 1 + detail.length()).sum();
    }

    /** What is to be said behind the bar, the most important first. */
    private List<String> details() {
        List<String> details = new ArrayList<>();
        if (total > 0) {
            details.add(String.format(Locale.ROOT, "%3d%%", Math.min(100, 100 * done / total)));
            details.add(amount());
        }
        if (!note.isEmpty()) {
            details.add(note);
        }
        Duration elapsed = Duration.ofNanos(System.nanoTime() - start);
        details.add(clockTime(elapsed));
        if (done > before && done < total) {
            details.add(clockTime(elapsed.multipliedBy(total - done).dividedBy(done - before)) + " left");
        }
        return details;
    }

    private String amount() {
        if (!bytes) {
            return done + "/" + total;
        }
        String format = total / MIB < MANY_MIB ? "%.1f/%.1f MiB" : "%.0f/%.0f MiB";
        return String.format(Locale.ROOT, format, done / MIB, total / MIB);
    }

    private String bar(int length) {
        int full = (int) Math.min(length, length * done / total);
        return full == length ? "=".repeat(length) : "=".repeat(full) + ">" + " ".repeat(length - full - 1);
    }

    private static String clockTime(Duration time) {
        return time.toHours() == 0
                ? String.format(Locale.ROOT, "%d:%02d", time.toMinutes(), time.toSecondsPart())
                : String.format(
                        Locale.ROOT, "%d:%02d:%02d", time.toHours(), time.toMinutesPart(), time.toSecondsPart());
    }

    @Override
    public synchronized void close() {
        end();
        if (clock != null) {
            clock.cancel();
        }
    }
}
