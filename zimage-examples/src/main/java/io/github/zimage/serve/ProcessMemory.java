package io.github.zimage.serve;

import io.github.zimage.internal.system.SystemFiles;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.util.Map;

/**
 * What this process has in memory, in bytes. Linux tells the first two; elsewhere they are 0.
 *
 * @param resident all pages that are in memory, those of mapped files among them, which the system can take back and read again
 * @param held pages that are no file's, and can only be swapped: in memory, shared or swapped out
 * @param heap the Java heap that is in use
 * @param committedHeap what the Java heap has of the system
 */
record ProcessMemory(long resident, long held, long heap, long committedHeap) {
    static ProcessMemory read() {
        return of(
                SystemFiles.ofThisMachine(), ManagementFactory.getMemoryMXBean().getHeapMemoryUsage());
    }

    /** Reads what Linux says in {@code /proc/self/status}. */
    static ProcessMemory of(SystemFiles files, MemoryUsage heap) {
        Map<String, Long> status = files.numbers("proc/self/status");
        long held = status.getOrDefault("RssAnon", 0L)
                + status.getOrDefault("RssShmem", 0L)
                + status.getOrDefault("VmSwap", 0L);
        return new ProcessMemory(status.getOrDefault("VmRSS", 0L), held, heap.getUsed(), heap.getCommitted());
    }

    /** Returns what is held beside the Java heap: by LibTorch, buffers and the JVM itself. */
    long outsideHeap() {
        return Math.max(0, held - committedHeap);
    }
}
