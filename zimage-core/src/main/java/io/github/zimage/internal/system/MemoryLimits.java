package io.github.zimage.internal.system;

import io.github.zimage.internal.system.ControlGroups.Group;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * All that limits the memory of this process on Linux: what the machine has, and what its control group and those above it may use. The
 * page cache counts as used in a group, but goes when memory is needed; what lies in memory as files ({@code shmem}) does not.
 */
public final class MemoryLimits {
    /** What the limit is called that is the machine's own. */
    public static final String MACHINE = "the machine's memory";

    private final List<MemoryLimit> limits = new ArrayList<>();

    /** Reads them as they are now. */
    public MemoryLimits(SystemFiles files) {
        Map<String, Long> machine = files.numbers("proc/meminfo");
        if (machine.containsKey("MemTotal") || machine.containsKey("MemAvailable")) {
            long total = machine.getOrDefault("MemTotal", Long.MAX_VALUE);
            limits.add(new MemoryLimit(total, machine.getOrDefault("MemAvailable", total), MACHINE));
        }
        List<Group> groups = new ControlGroups(files).of("memory");
        for (Group group : groups) {
            if (group.unified()) {
                addUnified(files, group);
            } else {
                addVersion1(files, group);
            }
        }
    }

    private void addUnified(SystemFiles files, Group group) {
        Map<String, Long> parts = files.numbers(group.file("memory.stat"));
        long cache = parts.getOrDefault("file", 0L) - parts.getOrDefault("shmem", 0L);
        long used = used(files.number(group.file("memory.current")), cache);
        // Above memory.high the system takes pages back and stops the process for so long that nothing gets on.
        for (String limit : List.of("memory.max", "memory.high")) {
            add(files.number(group.file(limit)), used, limit, group);
        }
    }

    private void addVersion1(SystemFiles files, Group group) {
        Map<String, Long> parts = files.numbers(group.file("memory.stat"));
        long cache = parts.getOrDefault("total_cache", 0L) - parts.getOrDefault("total_shmem", 0L);
        long used = used(files.number(group.file("memory.usage_in_bytes")), cache);
        add(files.number(group.file("memory.limit_in_bytes")), used, "memory.limit_in_bytes", group);
        // The smallest of the group and all above it, those that a container does not see among them.
        Long hierarchical = parts.get("hierarchical_memory_limit");
        if (hierarchical != null) {
            add(OptionalLong.of(hierarchical), used, "hierarchical_memory_limit", group);
        }
    }

    private static long used(OptionalLong usage, long cache) {
        return Math.max(0, usage.orElse(0) - Math.max(0, cache));
    }

    private void add(OptionalLong limit, long used, String name, Group group) {
        if (limit.isPresent()) {
            long bytes = limit.getAsLong();
            limits.add(new MemoryLimit(bytes, Math.max(0, bytes - used), "%s of %s".formatted(name, group.name())));
        }
    }

    /** Returns the one that leaves the least, or nothing if none is told. */
    public Optional<MemoryLimit> tightest() {
        return limits.stream().min(Comparator.comparingLong(MemoryLimit::available));
    }

    /** Returns the smallest, whatever is in use; nothing if none is told. */
    public Optional<MemoryLimit> smallest() {
        return limits.stream()
                .filter(limit -> limit.bytes() < Long.MAX_VALUE)
                .min(Comparator.comparingLong(MemoryLimit::bytes));
    }
}
