package io.github.zimage.internal.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** More threads than processors wait for each other: whatever leaves fewer counts. */
final class AllowedProcessorsTest {
    private static final int OF_JAVA = Runtime.getRuntime().availableProcessors();

    @TempDir
    Path root;

    private int count() {
        return new AllowedProcessors(new SystemFiles(root)).count();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {"0; 1", "0-3; 4", "0-3,8; 5", "2,4-5,7; 4", "0-1023; 1024"})
    void lists_areRead(String list, int count) {
        assertThat(AllowedProcessors.parse(list).cardinality()).isEqualTo(count);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-", "3-1", "a", "0,", "0-99999999", "1-2-3", "-1"})
    void garbage_isUnknown(String list) throws IOException {
        assertThat(AllowedProcessors.parse(list).isEmpty()).isTrue();
        new FakeSystem(root).write("proc/self/status", "Name:\tjava\nCpus_allowed_list:\t" + list + "\n");
        assertThat(count()).isEqualTo(OF_JAVA);
    }

    @Test
    void affinity_counts() throws IOException {
        new FakeSystem(root).write("proc/self/status", "Name:\tjava\nCpus_allowed:\t2\nCpus_allowed_list:\t1\n");
        assertThat(count()).isEqualTo(1);
    }

    @Test
    void quotaOfAGroupAbove_counts_roundedUp() throws IOException {
        FakeSystem system = new FakeSystem(root).write("proc/self/cgroup", "0::/pod/container\n");
        system.write("sys/fs/cgroup/pod/container/cpu.max", "max 100000\n");
        system.write("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
        assertThat(count()).isEqualTo(1);
        system.write("sys/fs/cgroup/pod/cpu.max", "110000 100000\n");
        assertThat(count()).isEqualTo(Math.min(2, OF_JAVA));
    }

    @Test
    void quotaOfVersion1_counts() throws IOException {
        FakeSystem system = new FakeSystem(root).write("proc/self/cgroup", "3:cpu,cpuacct:/job\n");
        system.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
        system.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
        assertThat(count()).isEqualTo(OF_JAVA);
        system.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "90000\n");
        assertThat(count()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"max", "0 100000", "100000 0", "1 2 3", "x y", ""})
    void quotaThatIsNone_isLeftOut(String text) throws IOException {
        new FakeSystem(root).write("sys/fs/cgroup/cpu.max", text);
        assertThat(count()).isEqualTo(OF_JAVA);
    }
}
