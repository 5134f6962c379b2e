package io.github.zimage.bench;

import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** What Linux says of this process's resident memory. Elsewhere it says nothing. */
final class ProcessMemory {
    private static final Path CLEAR_REFS = Path.of("/proc/self/clear_refs");
    private static final String RESET_PEAK = "5";

    private ProcessMemory() {}

    /** Makes the present resident memory the peak. Returns whether the system lets us. */
    static boolean resetPeak() {
        try {
            Files.writeString(CLEAR_REFS, RESET_PEAK);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Returns the most memory that was resident since {@link #resetPeak}, in bytes. */
    static OptionalLong peak() {
        return bytes("VmHWM");
    }

    /** Returns the resident memory that belongs to no file, in bytes. */
    static OptionalLong anonymous() {
        return bytes("RssAnon");
    }

    /** Returns the resident memory that is mapped from files, and that the system can take back, in bytes. */
    static OptionalLong mapped() {
        return bytes("RssFile");
    }

    private static OptionalLong bytes(String name) {
        Long bytes = SystemFiles.ofThisMachine().numbers("proc/self/status").get(name);
        return bytes == null ? OptionalLong.empty() : OptionalLong.of(bytes);
    }
}
