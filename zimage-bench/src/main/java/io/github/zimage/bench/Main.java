package io.github.zimage.bench;

import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The entry of {@code benchmarks.jar}: {@code report}, {@code parts}, {@code profile}, {@code two-pictures} and {@code gpu-check}, or else JMH with all
 * options it takes and the profilers of this module.
 */
public final class Main {
    private Main() {}

    /** Runs what the first argument names. */
    public static void main(String[] args) throws Exception {
        Locale.setDefault(Locale.ROOT);
        String command = args.length == 0 ? "" : args[0];
        List<String> rest = Arrays.asList(args).subList(Math.min(1, args.length), args.length);
        switch (command) {
            case "report" -> Report.main(rest);
            case "parts" -> Parts.main(rest);
            case "gpu-check" -> GpuCheck.main(rest);
            case "profile" -> watched(() -> OperatorProfile.main(rest));
            case "two-pictures" -> watched(() -> TwoPictures.main(rest));
            default -> org.openjdk.jmh.Main.main(withProfilers(args));
        }
    }

    /** A measurement that ends the JVM, or returns. */
    private interface Measurement {
        void run() throws Exception;
    }

    /** Says so behind a measurement by this process beside which others computed. */
    private static void watched(Measurement measurement) throws Exception {
        ProcessorWatch watch = BusyProfiler.watch(SystemFiles.ofThisMachine());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            ProcessorWatch.Others others = watch.seen();
            if (others.disturb()) {
                System.err.println(BusyProfiler.warning(others));
            }
        }));
        measurement.run();
    }

    private static String[] withProfilers(String[] args) {
        List<String> all = new ArrayList<>();
        for (Class<?> profiler : List.of(NativeMemoryProfiler.class, ReadingsProfiler.class, BusyProfiler.class)) {
            all.add("-prof");
            all.add(profiler.getName());
        }
        all.addAll(Arrays.asList(args));
        return all.toArray(String[]::new);
    }
}
