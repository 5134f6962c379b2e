package io.github.zimage.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** What Linux says of this process's resident memory. Elsewhere it says nothing. */
final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
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

    private static OptionalLong bytes(String key) {
        String prefix = key + ":";
        try {
            for (String line : Files.readAllLines(STATUS, StandardCharsets.ISO_8859_1)) {
                if (line.startsWith(prefix)) {
                    String kibibytes =
                            line.substring(prefix.length()).replace("kB", "").strip();
                    return OptionalLong.of(Long.parseLong(kibibytes) * 1024);
                }
            }
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
        return OptionalLong.empty();
    }
}
