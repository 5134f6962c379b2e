package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that peaks belong to the phase they happen in, and that a system that tells nothing gives nothing, not zero. */
class ResidentMemoryTest {
    @TempDir
    Path folder;

    @Test
    void peaks_belongToTheirPhase() throws IOException {
        Path status = Files.createDirectories(folder.resolve("proc/self")).resolve("status");
        write(status, 100);
        try (ResidentMemory memory =
                ResidentMemory.start(new SystemFiles(folder), Phase.TEXT).orElseThrow()) {
            write(status, 300);
            memory.enter(Phase.DENOISE);
            write(status, 200);
            memory.enter(Phase.DECODE);
            assertThat(memory.peaks())
                    .containsEntry(Phase.TEXT, 300L * 1024)
                    .containsEntry(Phase.DENOISE, 300L * 1024)
                    .containsEntry(Phase.DECODE, 200L * 1024);
        }
    }

    @Test
    void unknown_isNothing() throws IOException {
        assertThat(ResidentMemory.start(new SystemFiles(folder), Phase.TEXT)).isEmpty();
        Path status = Files.createDirectories(folder.resolve("proc/self")).resolve("status");
        Files.writeString(status, "Name:\tjava\n");
        assertThat(ResidentMemory.start(new SystemFiles(folder), Phase.TEXT)).isEmpty();
    }

    private static void write(Path status, int kibibytes) throws IOException {
        Files.writeString(status, "Name:\tjava\nVmHWM:\t  999 kB\nVmRSS:\t  %d kB\n".formatted(kibibytes));
    }
}
