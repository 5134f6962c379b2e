package io.github.zimage.internal.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What was measured beside other programs must not be kept, and what was not must be. Each test is a second of two processors. */
final class ProcessorWatchTest {
    @TempDir
    Path root;

    private FakeSystem system;

    @BeforeEach
    void twoProcessorsOfFour() throws IOException {
        system = new FakeSystem(root).write("proc/self/status", "Cpus_allowed_list:\t1-2\n");
        times(0, 0, 0, 0, 0);
    }

    /** Writes ticks: of the first and second processor, of one that is not ours, what the host took, and what this process used. */
    private void times(int first, int second, int elsewhere, int stolen, int own) throws IOException {
        system.write("proc/stat", """
                cpu  9 9 9 9 9 9 9 9 0 0
                cpu0 %d 0 0 100 0 0 0 0 0 0
                cpu1 %d 0 0 %d 0 0 0 0 0 0
                cpu2 0 0 %d %d 0 0 0 %d 0 0
                intr 12345
                """.formatted(elsewhere, first, 100 - first, second, 100 - second - stolen, stolen));
        system.write(
                "proc/self/stat",
                "7 (a ) b) R 1 1 1 0 -1 4 1 0 0 0 %d %d 0 0 20 0 1".formatted(own - own / 3, own / 3));
    }

    private ProcessorWatch.Others others(int threads, int first, int second, int elsewhere, int stolen, int own)
            throws IOException {
        system.write("proc/stat", "cpu0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0 0 0\n");
        system.write("proc/self/stat", "7 (a ) b) R 1 1 1 0 -1 4 1 0 0 0 0 0 0 0 20 0 1");
        ProcessorWatch watch = ProcessorWatch.start(system.files(), threads);
        times(first, second, elsewhere, stolen, own);
        return watch.seen();
    }

    @Test
    void quietMachine_isQuiet() throws IOException {
        assertThat(others(2, 100, 100, 0, 0, 195).disturb()).isFalse();
        assertThat(others(2, 10, 0, 0, 0, 8).disturb()).isFalse();
    }

    @Test
    void neighboursThatComputeAllTheTime_areSeen() throws IOException {
        ProcessorWatch.Others others = others(2, 100, 100, 0, 0, 100);
        assertThat(others.disturb()).isTrue();
        assertThat(others).hasToString("other programs used 1.0 of 2 processors");
    }

    @Test
    void hostThatTakesTheProcessor_isSeen() throws IOException {
        assertThat(others(2, 100, 50, 0, 50, 150).disturb()).isTrue();
    }

    @Test
    void neighboursOnProcessorsThatAreLeft_doNotDisturb() throws IOException {
        assertThat(others(2, 100, 100, 100, 0, 200).disturb())
                .as("on a processor that is not ours")
                .isFalse();
        assertThat(others(1, 100, 100, 0, 0, 100).disturb())
                .as("one thread, and one processor is left to it")
                .isFalse();
        assertThat(others(1, 100, 100, 0, 0, 50).disturb()).isTrue();
    }

    @Test
    void systemThatTellsNothing_seesNobody(@TempDir Path empty) {
        assertThat(ProcessorWatch.start(new SystemFiles(empty), 2).seen().disturb())
                .isFalse();
    }
}
