package io.github.zimage.internal.system;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * Tells whether other programs kept this one off the processors while something was measured. Linux counts the time of each processor;
 * what is neither idle nor this process's was others', or the host's. Elsewhere nobody is seen.
 */
public final class ProcessorWatch {
    /** So much of a processor goes to the system's own work, and to what is always there. */
    private static final double TOLERATED = 0.2;
    /** Fewer ticks are within what sampling them errs. */
    private static final long FEWEST_TICKS = 5;

    private static final int IDLE = 3;
    private static final int IO_WAIT = 4;
    private static final int STEAL = 7;
    private static final int USER_TIME = 11;
    private static final int SYSTEM_TIME = 12;

    private final SystemFiles files;
    private final AllowedProcessors allowed;
    private final int threads;
    private final Ticks start;

    private ProcessorWatch(SystemFiles files, int threads) {
        this.files = files;
        this.threads = threads;
        allowed = new AllowedProcessors(files);
        start = Ticks.read(files, allowed.numbers());
    }

    /**
     * Starts to watch.
     *
     * @param threads how many threads are to compute
     */
    public static ProcessorWatch start(int threads) {
        return start(SystemFiles.ofThisMachine(), threads);
    }

    /** As {@link #start(int)}, by what a system tells. */
    public static ProcessorWatch start(SystemFiles files, int threads) {
        return new ProcessorWatch(files, threads);
    }

    /** Returns what others have used since the start, if that has kept this process's threads off the processors. */
    public Others seen() {
        Ticks now = Ticks.read(files, allowed.numbers());
        long all = now.all() - start.all();
        long others = now.busy() - start.busy() - (now.own() - start.own());
        int processors = now.processors();
        if (all <= 0 || others < FEWEST_TICKS) {
            return Others.NONE;
        }
        double used = (double) others * processors / all;
        return used > Math.max(0, processors - threads) + TOLERATED
                ? new Others(Math.min(used, processors), processors)
                : Others.NONE;
    }

    /**
     * What other programs used.
     *
     * @param used how many processors' time; 0 if they left enough
     * @param processors of how many that this process may compute on
     */
    public record Others(double used, int processors) {
        static final Others NONE = new Others(0, 0);

        /** Returns whether they took time that this process would have used. */
        public boolean disturb() {
            return used > 0;
        }

        /** Returns what they used, for people. */
        @Override
        public String toString() {
            return String.format(Locale.ROOT, "other programs used %.1f of %d processors", used, processors);
        }
    }

    /**
     * Times since the machine started, in ticks.
     *
     * @param all of the processors that this process may compute on
     * @param busy of these, what was not idle
     * @param own what this process used
     * @param processors how many processors are counted
     */
    private record Ticks(long all, long busy, long own, int processors) {
        static Ticks read(SystemFiles files, BitSet numbers) {
            long all = 0;
            long idle = 0;
            int processors = 0;
            for (String line : files.lines("proc/stat")) {
                // cpu0 user nice system idle iowait irq softirq steal guest guest_nice; the last two are in the first
                // two
                String[] fields = line.split(" +", -1);
                OptionalLong number = SystemFiles.parse(fields[0].replaceFirst("^cpu", ""));
                if (!line.startsWith("cpu") || number.isEmpty()) {
                    continue;
                }
                if (numbers.isEmpty() || numbers.get((int) Math.min(Integer.MAX_VALUE, number.getAsLong()))) {
                    List<Long> times = numbers(fields, 1);
                    all += times.stream()
                            .limit(STEAL + 1)
                            .mapToLong(Long::longValue)
                            .sum();
                    idle += time(times, IDLE) + time(times, IO_WAIT);
                    processors++;
                }
            }
            // pid (name) state … utime stime …; the name may hold anything
            String self = files.text("proc/self/stat");
            List<Long> own =
                    numbers(self.substring(self.lastIndexOf(')') + 1).strip().split(" +", -1), 0);
            return new Ticks(all, all - idle, time(own, USER_TIME) + time(own, SYSTEM_TIME), processors);
        }

        private static List<Long> numbers(String[] fields, int first) {
            return Arrays.stream(fields)
                    .skip(first)
                    .map(field -> SystemFiles.parse(field).orElse(0))
                    .toList();
        }

        private static long time(List<Long> times, int index) {
            return index < times.size() ? times.get(index) : 0;
        }
    }
}
