package io.github.zimage.internal.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A plan that takes more than a control group may have ends with the process killed, without a word. */
final class MemoryLimitsTest {
    private static final long MB = 1_000_000;
    private static final long UNLIMITED_OF_VERSION_1 = 0x7ffffffffffff000L;

    @TempDir
    Path root;

    private FakeSystem system;

    @BeforeEach
    void machineOf32Gigabytes_with20Available() throws IOException {
        system = new FakeSystem(root)
                .write("proc/meminfo", "MemTotal: 32000000 kB\nMemFree: 1 kB\nMemAvailable: 20000000 kB\n");
    }

    private MemoryLimit tightest() {
        return new MemoryLimits(system.files()).tightest().orElseThrow();
    }

    private void mounts(String... lines) throws IOException {
        system.write(
                "proc/self/mountinfo",
                "22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n" + String.join("\n", lines) + "\n");
    }

    // systemd's MemoryMax of a service.
    @Test
    void ownGroupOfVersion2_counts() throws IOException {
        mounts("31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate");
        system.write("proc/self/cgroup", "0::/system.slice/zimage.service\n");
        system.group("sys/fs/cgroup/system.slice/zimage.service", "4000000000", 1500 * MB, 500 * MB);
        assertThat(tightest())
                .isEqualTo(new MemoryLimit(4000 * MB, 3000 * MB, "memory.max of /system.slice/zimage.service"));
    }

    // Slurm limits the job, not the step; systemd a slice, not the service.
    @Test
    void limitOfAGroupAbove_counts_andTheOneThatLeavesLeastWins() throws IOException {
        system.write("proc/self/cgroup", "0::/slurm/job_7/step_0\n");
        system.group("sys/fs/cgroup/slurm/job_7/step_0", "max", 100 * MB, 0);
        system.group("sys/fs/cgroup/slurm/job_7", "6000000000", 5500 * MB, 0);
        system.group("sys/fs/cgroup/slurm", "8000000000", 7900 * MB, 100 * MB);
        assertThat(tightest()).isEqualTo(new MemoryLimit(8000 * MB, 200 * MB, "memory.max of /slurm"));
        assertThat(new MemoryLimits(system.files()).smallest())
                .hasValue(new MemoryLimit(6000 * MB, 500 * MB, "memory.max of /slurm/job_7"));
    }

    @Test
    void thresholdAboveWhichTheSystemThrottles_counts() throws IOException {
        system.write("proc/self/cgroup", "0::/batch\n").group("sys/fs/cgroup/batch", "max", 100 * MB, 0);
        system.write("sys/fs/cgroup/batch/memory.high", "900000000\n");
        assertThat(tightest()).isEqualTo(new MemoryLimit(900 * MB, 800 * MB, "memory.high of /batch"));
    }

    @Test
    void ownGroupOfVersion1_andThoseAbove_count() throws IOException {
        mounts(
                "31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
                "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
                "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory");
        system.write("proc/self/cgroup", "5:memory:/a/b\n4:cpu,cpuacct:/a/b\n1:name=systemd:/\n");
        system.groupOfVersion1("sys/fs/cgroup/memory/a/b", UNLIMITED_OF_VERSION_1, 1000 * MB, 0);
        system.groupOfVersion1("sys/fs/cgroup/memory/a", 3000 * MB, 1200 * MB, 200 * MB);
        system.groupOfVersion1("sys/fs/cgroup/memory", UNLIMITED_OF_VERSION_1, 9000 * MB, 0);
        assertThat(tightest()).isEqualTo(new MemoryLimit(3000 * MB, 2000 * MB, "memory.limit_in_bytes of /a"));
    }

    // The kernel tells the smallest limit of all groups above, also to a container that sees its own only.
    @Test
    void limitAboveWhatAContainerSees_counts() throws IOException {
        system.write("proc/self/cgroup", "5:memory:/pod/c1\n");
        system.groupOfVersion1("sys/fs/cgroup/memory", UNLIMITED_OF_VERSION_1, 500 * MB, 0);
        system.write("sys/fs/cgroup/memory/memory.stat", "total_cache 0\nhierarchical_memory_limit 700000000\n");
        assertThat(tightest()).isEqualTo(new MemoryLimit(700 * MB, 200 * MB, "hierarchical_memory_limit of /pod/c1"));
    }

    // systemd's hybrid layout: version 2 for its own book-keeping, the memory controller on version 1.
    @Test
    void hybrid_takesTheControllerWhereItIs() throws IOException {
        mounts(
                "33 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
                "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory");
        system.write("proc/self/cgroup", "5:memory:/m\n0::/user.slice\n");
        system.write("sys/fs/cgroup/unified/user.slice/cgroup.procs", "1\n");
        system.groupOfVersion1("sys/fs/cgroup/memory/m", 2000 * MB, 500 * MB, 0);
        assertThat(tightest()).isEqualTo(new MemoryLimit(2000 * MB, 1500 * MB, "memory.limit_in_bytes of /m"));
    }

    // Docker without a namespace of its own for control groups: the mount is the group that /proc names as the host
    // does.
    @Test
    void mountThatIsTheGroup_isTakenForIt() throws IOException {
        mounts("640 630 0:29 /docker/8e10 /sys/fs/cgroup ro - cgroup2 cgroup rw");
        system.write("proc/self/cgroup", "0::/docker/8e10/worker\n");
        system.group("sys/fs/cgroup", "900000000", 100 * MB, 0);
        system.group("sys/fs/cgroup/worker", "800000000", 50 * MB, 0);
        assertThat(tightest()).isEqualTo(new MemoryLimit(800 * MB, 750 * MB, "memory.max of /docker/8e10/worker"));
        system.group("sys/fs/cgroup", "700000000", 100 * MB, 0);
        assertThat(tightest()).isEqualTo(new MemoryLimit(700 * MB, 600 * MB, "memory.max of /docker/8e10"));
    }

    // A namespace shows the own group as the root; mounts made outside of it have roots above that.
    @Test
    void groupThatNoMountShows_isTakenToBeWhatIsMounted() throws IOException {
        mounts("640 630 0:29 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw");
        system.write("proc/self/cgroup", "0::/\n").group("sys/fs/cgroup", "900000000", 0, 0);
        assertThat(tightest().bytes()).isEqualTo(900 * MB);
        system.write("proc/self/cgroup", "0::/../other\n");
        assertThat(tightest()).isEqualTo(new MemoryLimit(900 * MB, 900 * MB, "memory.max of /../other"));
        mounts("640 630 0:29 / /sys/fs/cgroup ro - cgroup2 cgroup rw");
        system.write("proc/self/cgroup", "0::/not/here\n");
        assertThat(tightest().bytes()).isEqualTo(900 * MB);
    }

    // Docker in Docker mounts the hierarchy of the outer one, too.
    @Test
    void mountThatShowsTheOwnGroup_isPreferred() throws IOException {
        mounts(
                "640 630 0:29 /docker/other /outer rw - cgroup2 cgroup rw",
                "641 630 0:29 /docker/mine /sys/fs/cgroup rw - cgroup2 cgroup rw");
        system.write("proc/self/cgroup", "0::/docker/mine\n");
        system.group("outer", "100000000", 0, 0);
        system.group("sys/fs/cgroup", "900000000", 0, 0);
        assertThat(tightest().bytes()).isEqualTo(900 * MB);
        system.write("proc/self/cgroup", "0::/docker/mines/deeper\n");
        assertThat(tightest().source())
                .as("a name that begins alike is no group above")
                .contains("/docker/mines/deeper");
    }

    @Test
    void mountPointWithABlank_isFound() throws IOException {
        mounts("641 630 0:29 / /my\\040groups rw - cgroup2 cgroup rw");
        system.write("proc/self/cgroup", "0::/a\n").group("my groups/a", "900000000", 0, 0);
        assertThat(tightest().bytes()).isEqualTo(900 * MB);
    }

    // Files in memory (tmpfs, System V) count as cache, but do not go.
    @Test
    void sharedMemory_doesNotGo() throws IOException {
        system.group("sys/fs/cgroup", "1000000000", 700 * MB, 0);
        system.write("sys/fs/cgroup/memory.stat", "file 600000000\nshmem 500000000\n");
        assertThat(tightest().available()).isEqualTo(400 * MB);
    }

    @Test
    void limitWhoseUsageIsNotTold_countsInFull_andOneThatIsPassedLeavesNothing() throws IOException {
        system.write("sys/fs/cgroup/memory.max", "500000000\n");
        assertThat(tightest().available()).isEqualTo(500 * MB);
        system.write("sys/fs/cgroup/memory.current", "600000000\n");
        assertThat(tightest().available()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"max", "", "-1", "lots", "1e9", "12 34", "99999999999999999999", "\0\0", "９"})
    void limitThatIsNoNumber_isNone(String text) throws IOException {
        system.write("sys/fs/cgroup/memory.max", text);
        system.write("sys/fs/cgroup/memory.current", "5\n");
        assertThat(tightest().source()).isEqualTo(MemoryLimits.MACHINE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "nonsense", "0:", "0::relative", "::", "0::/a/../../b", "4:memory", "\n\n"})
    void linesThatAreNone_areLeftOut(String text) throws IOException {
        system.write("proc/self/cgroup", text);
        system.write("proc/self/mountinfo", text);
        system.group("sys/fs/cgroup", "900000000", 0, 0);
        assertThat(tightest().bytes()).isEqualTo(900 * MB);
    }

    @Test
    void systemThatTellsNothing_hasNone(@TempDir Path empty) throws IOException {
        MemoryLimits limits = new MemoryLimits(new SystemFiles(empty));
        assertThat(limits.tightest()).isEmpty();
        assertThat(limits.smallest()).isEmpty();
        new FakeSystem(empty).write("proc/meminfo", "MemTotal: lots\nMemAvailable:\n");
        assertThat(new MemoryLimits(new SystemFiles(empty)).tightest()).isEmpty();
    }
}
