package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What counts against the limit is what the system cannot take back. */
final class ProcessMemoryTest {
    private static final long KIB = 1024;
    private static final MemoryUsage HEAP = new MemoryUsage(0, 100 * KIB, 300 * KIB, 900 * KIB);

    // As of a process that has mapped 19 GiB of weights and read them all.
    private static final String STATUS = """
            Name:\tjava
            VmRSS:\t20924500 kB
            RssAnon:\t     900 kB
            RssFile:\t20923544 kB
            RssShmem:\t      56 kB
            VmSwap:\t      44 kB
            """;

    @TempDir
    Path root;

    private ProcessMemory of(String status) throws IOException {
        Files.writeString(Files.createDirectories(root.resolve("proc/self")).resolve("status"), status);
        return ProcessMemory.of(new SystemFiles(root), HEAP);
    }

    @Test
    void pagesOfFiles_areResident_andNotHeld() throws IOException {
        ProcessMemory memory = of(STATUS);
        assertThat(memory.resident()).isEqualTo(20924500 * KIB);
        assertThat(memory.held()).isEqualTo(1000 * KIB);
        assertThat(memory.heap()).isEqualTo(100 * KIB);
    }

    @Test
    void heap_isTakenOffWhatIsHeldOutsideOfIt() throws IOException {
        assertThat(of(STATUS).outsideHeap()).isEqualTo(700 * KIB);
        assertThat(of("").outsideHeap()).isZero();
    }
}
