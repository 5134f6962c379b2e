package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that a container's limit counts, and that nothing is claimed where nothing is known. */
class AvailableMemoryTest {
    @TempDir
    Path root;

    private void file(String name, String content) throws IOException {
        Path path = root.resolve(name);
        Files.createDirectories(path.getParent());
        Files.writeString(path, content);
    }

    @Test
    void withoutLinux_nothingIsKnown() {
        assertThat(new AvailableMemory(root).read()).isEmpty();
    }

    @Test
    void machine_isReadFromMeminfo() throws IOException {
        file("proc/meminfo", "MemTotal:  16000 kB\nMemFree: 10 kB\nMemAvailable:    9000 kB\n");
        file("sys/fs/cgroup/memory.max", "max\n");
        file("sys/fs/cgroup/memory.stat", "anon 100\n");
        assertThat(new AvailableMemory(root).read()).hasValue(9000 * 1024);
    }

    @Test
    void containersLimit_countsWithoutCachedFiles() throws IOException {
        file("proc/meminfo", "MemAvailable: 9000 kB\n");
        file("sys/fs/cgroup/memory.max", "5000000\n");
        file("sys/fs/cgroup/memory.stat", "anon 1000000\nfile 3900000\n");
        assertThat(new AvailableMemory(root).read()).hasValue(4_000_000);
        file("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
        file("sys/fs/cgroup/memory/memory.stat", "cache 7\nrss 5\ntotal_rss 3500000\n");
        assertThat(new AvailableMemory(root).read()).hasValue(0);
    }

    @Test
    void thisMachine_hasSome() {
        if (Files.exists(Path.of("/proc/meminfo"))) {
            assertThat(AvailableMemory.bytes().orElseThrow()).isBetween(1L << 20, 1L << 50);
        }
    }
}
