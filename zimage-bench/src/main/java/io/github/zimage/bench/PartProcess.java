package io.github.zimage.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** A part of {@link GpuCheck} in a JVM of its own, which is like this one. */
final class PartProcess {
    private PartProcess() {}

    /**
     * How it ended.
     *
     * @param inTime whether it ended by itself
     * @param exitCode its exit code, if so
     * @param limitSeconds how long it had
     */
    record End(boolean inTime, int exitCode, long limitSeconds) {
        boolean isGood() {
            return inTime && exitCode == 0;
        }

        @Override
        public String toString() {
            return !inTime
                    ? "ended after %d s".formatted(limitSeconds)
                    : exitCode == 0 ? "done" : "failed with exit code " + exitCode;
        }
    }

    /** Runs a part, ends it when it has taken too long, and prints how it ended. */
    static End run(CheckOptions options, String part, long limitSeconds) throws IOException, InterruptedException {
        long start = System.nanoTime();
        Process process = new ProcessBuilder(command(options, part)).inheritIO().start();
        boolean inTime = process.waitFor(limitSeconds, TimeUnit.SECONDS);
        if (!inTime) {
            process.destroyForcibly().waitFor();
        }
        End end = new End(inTime, process.exitValue(), limitSeconds);
        System.out.printf(Locale.ROOT, "%s: %s in %.1f s%n", part, end, (System.nanoTime() - start) / 1e9);
        return end;
    }

    private static List<String> command(CheckOptions options, String part) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path")));
        System.getProperties().stringPropertyNames().stream()
                .filter(name -> name.startsWith("org.bytedeco.") || name.startsWith("zimage."))
                .forEach(name -> command.add("-D%s=%s".formatted(name, System.getProperty(name))));
        command.addAll(List.of(Main.class.getName(), "gpu-check", "--here"));
        command.addAll(options.arguments());
        command.add(part);
        return command;
    }
}
