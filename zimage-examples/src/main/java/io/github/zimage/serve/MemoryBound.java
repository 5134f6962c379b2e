package io.github.zimage.serve;

import io.github.zimage.internal.system.MemoryLimits;
import io.github.zimage.internal.system.SystemFiles;
import java.nio.file.Path;

/**
 * How much memory a server's process may hold.
 *
 * @param bytes how many bytes; {@link Long#MAX_VALUE} if there is none
 * @param source who sets it, for people
 */
public record MemoryBound(long bytes, String source) {
    /** No bound. */
    public static final MemoryBound NONE = new MemoryBound(Long.MAX_VALUE, "none is known");

    /**
     * Returns what the system lets this process have, less a twentieth for others: the machine's memory, or the smallest limit of a
     * control group that it is in.
     */
    public static MemoryBound ofSystem() {
        return ofSystem(Path.of("/"));
    }

    /** As {@link #ofSystem()}, as a system with its files below a folder has it. */
    static MemoryBound ofSystem(Path root) {
        return new MemoryLimits(new SystemFiles(root))
                .smallest()
                .map(limit -> new MemoryBound(limit.bytes() / 20 * 19, "95 % of " + limit.source()))
                .orElse(NONE);
    }
}
