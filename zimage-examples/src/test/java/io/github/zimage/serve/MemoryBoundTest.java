package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server must heal itself before the limit of its service or container ends it, and say which limit that is. */
final class MemoryBoundTest {
    @TempDir
    Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    @Test
    void limitOfTheService_isTheBound_lessATwentieth() throws IOException {
        write("proc/meminfo", "MemTotal:  32000000 kB\nMemAvailable:  9000000 kB\n");
        write("proc/self/cgroup", "0::/system.slice/zimage.service\n");
        write("sys/fs/cgroup/system.slice/zimage.service/memory.max", "2000000000\n");
        assertThat(MemoryBound.ofSystem(root))
                .isEqualTo(new MemoryBound(1_900_000_000, "95 % of memory.max of /system.slice/zimage.service"));
    }

    @Test
    void machineIsTheBound_whereNothingElseLimits() throws IOException {
        write("proc/meminfo", "MemTotal:  2000000 kB\nMemAvailable:  1000 kB\n");
        assertThat(MemoryBound.ofSystem(root).bytes()).isEqualTo(2_000_000L * 1024 / 20 * 19);
    }

    @Test
    void systemThatTellsNothing_setsNone() {
        assertThat(MemoryBound.ofSystem(root)).isEqualTo(MemoryBound.NONE);
    }
}
