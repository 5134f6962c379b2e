package io.github.zimage.internal.runtime;

import io.github.zimage.internal.system.SystemFiles;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What Linux says of the processor. */
public final class ProcessorFeatures {
    private static final List<String> OF_INTEREST = List.of(
            "avx2",
            "fma",
            "avx512f",
            "avx512_vnni",
            "avx_vnni",
            "avx512_bf16",
            "amx_tile",
            "amx_bf16",
            "amx_int8",
            "asimd",
            "bf16",
            "i8mm",
            "sve");

    private ProcessorFeatures() {}

    /** Returns the processor's name, or the architecture where the system does not tell it. */
    public static String name() {
        String name = value("model name");
        return name.isEmpty() ? System.getProperty("os.arch") : name;
    }

    /** Returns the instruction sets that speed up neural networks and that the processor has; empty where they are not known. */
    public static List<String> list() {
        String flags = value("flags");
        Set<String> all = new HashSet<>(Arrays.asList((flags.isEmpty() ? value("Features") : flags).split("\\s+")));
        return OF_INTEREST.stream().filter(all::contains).toList();
    }

    private static String value(String key) {
        return SystemFiles.ofThisMachine().value("proc/cpuinfo", key);
    }
}
