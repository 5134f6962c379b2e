package io.github.zimage.serve;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What this process has in memory, in bytes. Linux tells the first two; elsewhere they are 0.
 *
 * @param resident all pages that are in memory, those of mapped files among them, which the system can take back and read again
 * @param held pages that are no file's, and can only be swapped: in memory, shared or swapped out
 * @param heap the Java heap that is in use
 * @param committedHeap what the Java heap has of the system
 */
record ProcessMemory(long resident, long held, long heap, long committedHeap) {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final long KIB = 1024;

    static ProcessMemory read() {
        return of(text(STATUS), ManagementFactory.getMemoryMXBean().getHeapMemoryUsage());
    }

    /** Reads what Linux says in {@code /proc/self/status}. */
    static ProcessMemory of(String status, MemoryUsage heap) {
        long held = kib(status, "RssAnon").orElse(0)
                + kib(status, "RssShmem").orElse(0)
                + kib(status, "VmSwap").orElse(0);
        return new ProcessMemory(kib(status, "VmRSS").orElse(0), held, heap.getUsed(), heap.getCommitted());
    }

    /** Returns what is held beside the Java heap: by LibTorch, buffers and the JVM itself. */
    long outsideHeap() {
        return Math.max(0, held - committedHeap);
    }

    /** Returns how much memory there is for this process: the machine's, or its container's. */
    static OptionalLong total() {
        OptionalLong machine = kib(text(Path.of("/proc/meminfo")), "MemTotal");
        String container = text(Path.of("/sys/fs/cgroup/memory.max")).strip();
        return container.matches("[0-9]{1,18}") && machine.isPresent()
                ? OptionalLong.of(Math.min(machine.getAsLong(), Long.parseLong(container)))
                : machine;
    }

    private static OptionalLong kib(String text, String name) {
        Matcher line =
                Pattern.compile("(?m)^" + name + ":\\s+([0-9]{1,15}) kB$").matcher(text);
        return line.find() ? OptionalLong.of(Long.parseLong(line.group(1)) * KIB) : OptionalLong.empty();
    }

    private static String text(Path file) {
        try {
            return Files.readString(file, StandardCharsets.US_ASCII);
        } catch (IOException e) {
            return "";
        }
    }
}
