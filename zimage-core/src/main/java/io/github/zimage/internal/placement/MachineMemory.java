package io.github.zimage.internal.placement;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much memory the machine has for more weights, as Linux tells it; a container's limit counts. Elsewhere nothing is known.
 */
public final class MachineMemory {
    private static final Pattern LINE = Pattern.compile("(?<name>\\w+):?\\s+(?<number>\\d{1,18})(\\s+kB)?");

    private final Path root;

    /**
     * Reads below a folder.
     *
     * @param root the root of the file system
     */
    public MachineMemory(Path root) {
        this.root = root;
    }

    /** Returns how many bytes could be taken without pressing anything but caches out of memory, or nothing if that is unknown. */
    public OptionalLong available() {
        OptionalLong machine = number("proc/meminfo", "MemAvailable", 1024);
        OptionalLong container = container();
        if (machine.isPresent() && container.isPresent()) {
            return OptionalLong.of(Math.min(machine.getAsLong(), container.getAsLong()));
        }
        return machine.isPresent() ? machine : container;
    }

    /** What a control group's limit leaves; version 2 first, then version 1. */
    private OptionalLong container() {
        OptionalLong unified = left("sys/fs/cgroup", "memory.max", "memory.current", "file");
        return unified.isPresent()
                ? unified
                : left("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache");
    }

    private OptionalLong left(String folder, String limitFile, String usageFile, String cacheName) {
        OptionalLong limit = number(folder + "/" + limitFile);
        OptionalLong usage = number(folder + "/" + usageFile);
        if (limit.isEmpty() || usage.isEmpty()) {
            return OptionalLong.empty();
        }
        long cache = number(folder + "/memory.stat", cacheName, 1).orElse(0);
        return OptionalLong.of(Math.max(0, limit.getAsLong() - Math.max(0, usage.getAsLong() - cache)));
    }

    private OptionalLong number(String file) {
        try {
            String text = Files.readString(root.resolve(file)).strip();
            return text.matches("\\d{1,18}") ? OptionalLong.of(Long.parseLong(text)) : OptionalLong.empty();
        } catch (IOException | SecurityException e) {
            return OptionalLong.empty();
        }
    }

    private OptionalLong number(String file, String name, long unit) {
        Long number = numbers(root.resolve(file)).get(name);
        return number == null ? OptionalLong.empty() : OptionalLong.of(number * unit);
    }

    /** Reads a file of names and numbers, one a line; none if it cannot be read. */
    static Map<String, Long> numbers(Path file) {
        Map<String, Long> numbers = new HashMap<>();
        try {
            for (String line : Files.readAllLines(file)) {
                Matcher matcher = LINE.matcher(line.strip());
                if (matcher.matches()) {
                    numbers.put(matcher.group("name"), Long.parseLong(matcher.group("number")));
                }
            }
        } catch (IOException | SecurityException e) {
            return Map.of();
        }
        return numbers;
    }
}
