package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that a container's limit counts and that nothing is made up where nothing is told. */
class MachineMemoryTest {
    @TempDir
    Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    @Test
    void nothingTold_isUnknown() throws IOException {
        assertThat(new MachineMemory(root).available()).isEmpty();
        write("proc/meminfo", "MemTotal: lots\nMemAvailable:\n");
        assertThat(new MachineMemory(root).available()).isEmpty();
    }

    @Test
    void machine_hasWhatIsAvailable() throws IOException {
        write("proc/meminfo", "MemTotal:       32000000 kB\nMemFree:  1000 kB\nMemAvailable:   20000000 kB\n");
        assertThat(new MachineMemory(root).available()).hasValue(20_000_000L * 1024);
    }

    // The page cache counts as used in a control group, although it goes when memory is needed.
    @Test
    void container_hasItsLimitLessWhatCannotGo() throws IOException {
        write("proc/meminfo", "MemAvailable:   20000000 kB\n");
        write("sys/fs/cgroup/memory.max", "8000000000\n");
        write("sys/fs/cgroup/memory.current", "7000000000\n");
        write("sys/fs/cgroup/memory.stat", "anon 1500000000\nfile 5000000000\n");
        assertThat(new MachineMemory(root).available()).hasValue(6_000_000_000L);
        write("sys/fs/cgroup/memory.max", "max\n");
        assertThat(new MachineMemory(root).available()).hasValue(20_000_000L * 1024);
    }

    @Test
    void containerOfVersion1_hasItsLimit() throws IOException {
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000000\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000000\n");
        assertThat(new MachineMemory(root).available()).hasValue(3_000_000_000L);
    }
}
