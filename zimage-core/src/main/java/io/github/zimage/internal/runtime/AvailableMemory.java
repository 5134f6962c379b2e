package io.github.zimage.internal.runtime;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How much memory this process could still get without anything being swapped out. Known on Linux only. */
public final class AvailableMemory {
    private static final long KIB = 1024;

    private final Path root;

    AvailableMemory(Path root) {
        this.root = root;
    }

    /** Returns the bytes that are available, within the limit of the container if there is one; empty if that is not known. */
    public static OptionalLong bytes() {
        return new AvailableMemory(Path.of("/")).read();
    }

    OptionalLong read() {
        OptionalLong machine = number("proc/meminfo", "MemAvailable:\\s+([0-9]+) kB");
        if (machine.isEmpty()) {
            return machine;
        }
        long available = machine.getAsLong() * KIB;
        available = Math.min(available, left("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.stat", "anon"));
        available = Math.min(
                available,
                left("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.stat", "total_rss"));
        return OptionalLong.of(Math.max(available, 0));
    }

    /** What a container's limit leaves beside what cannot be taken back; cached pages of files can. */
    private long left(String limitFile, String statFile, String used) {
        OptionalLong limit = number(limitFile, "([0-9]+)");
        OptionalLong taken = number(statFile, used + " ([0-9]+)");
        return limit.isPresent() && taken.isPresent() ? limit.getAsLong() - taken.getAsLong() : Long.MAX_VALUE;
    }

    private OptionalLong number(String file, String line) {
        try {
            String text = Files.readString(root.resolve(file), StandardCharsets.US_ASCII);
            Matcher matcher =
                    Pattern.compile("^" + line + "$", Pattern.MULTILINE).matcher(text);
            return matcher.find() ? OptionalLong.of(Long.parseLong(matcher.group(1))) : OptionalLong.empty();
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }
}
