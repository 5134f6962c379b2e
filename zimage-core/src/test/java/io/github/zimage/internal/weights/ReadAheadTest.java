package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects that reading ahead, which nobody waits for, ends and breaks nothing, whatever becomes of the files. */
@Timeout(60)
final class ReadAheadTest {
    private static final long BYTES = 200 << 20;

    @TempDir
    Path folder;

    private TensorEntry entry(String name, long there) throws IOException {
        Path file = folder.resolve(name);
        try (RandomAccessFile opened = new RandomAccessFile(file.toFile(), "rw")) {
            opened.setLength(there); // takes no room on the disk
        }
        return new TensorEntry(name, StorageType.U8, List.of(BYTES), file, 0, BYTES);
    }

    @Test
    void files_areReadToTheEnd() throws Exception {
        try (ReadAhead readAhead = new ReadAhead()) {
            readAhead.add(List.of(entry("whole", BYTES)));
            assertThat(readAhead.await()).isEqualTo(BYTES);
        }
    }

    @Test
    void filesThatEndEarlyOrAreMissing_areLeft() throws Exception {
        try (ReadAhead readAhead = new ReadAhead()) {
            TensorEntry missing = entry("missing", BYTES);
            assertThat(missing.file().toFile().delete()).isTrue();
            readAhead.add(List.of(missing, entry("cut", 10), entry("whole", BYTES)));
            assertThat(readAhead.await()).isEqualTo(BYTES);
        }
    }

    @Test
    void smallWeights_startNoThread() throws Exception {
        long before = threads();
        try (ReadAhead readAhead = new ReadAhead()) {
            TensorEntry whole = entry("whole", BYTES);
            readAhead.add(List.of(new TensorEntry("small", StorageType.U8, List.of(1000L), whole.file(), 0, 1000)));
            assertThat(threads()).isLessThanOrEqualTo(before); // those of other tests may end meanwhile
        }
    }

    @Test
    void close_endsTheReading() throws Exception {
        ReadAhead readAhead = new ReadAhead();
        TensorEntry whole = entry("whole", BYTES);
        readAhead.add(Collections.nCopies(1000, whole));
        readAhead.close();
        assertThat(readAhead.await()).isLessThan(1000 * BYTES);
        readAhead.add(List.of(whole));
    }

    private static long threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("zimage-read-ahead"))
                .count();
    }
}
