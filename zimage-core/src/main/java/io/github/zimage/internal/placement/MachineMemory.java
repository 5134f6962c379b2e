package io.github.zimage.internal.placement;

import io.github.zimage.internal.system.MemoryLimit;
import io.github.zimage.internal.system.MemoryLimits;
import io.github.zimage.internal.system.SystemFiles;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How much memory the machine has for more weights, as Linux tells it. The limits of the process's control group and of all above it
 * count, so that containers, services and batch jobs plan with what they may use. Elsewhere nothing is known.
 */
public final class MachineMemory {
    private final SystemFiles files;

    /**
     * Reads below a folder.
     *
     * @param root the root of the file system
     */
    public MachineMemory(Path root) {
        this(new SystemFiles(root));
    }

    private MachineMemory(SystemFiles files) {
        this.files = files;
    }

    /** Returns that of the machine this runs on. */
    public static MachineMemory ofThisMachine() {
        return new MachineMemory(SystemFiles.ofThisMachine());
    }

    /** Returns how many bytes could be taken without pressing anything but caches out of memory, or nothing if that is unknown. */
    public OptionalLong available() {
        Optional<MemoryLimit> tightest = tightest();
        return tightest.isPresent() ? OptionalLong.of(tightest.get().available()) : OptionalLong.empty();
    }

    /** Returns what leaves the least, or nothing if that is unknown. */
    public Optional<MemoryLimit> tightest() {
        return new MemoryLimits(files).tightest().filter(limit -> limit.available() < Long.MAX_VALUE);
    }
}
