package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects programs that run for weeks: what one generation leaves behind must not add up over 500 of them. */
@Timeout(120)
final class LeakTest {
    private static final int WARM_UP = 20;
    private static final int GENERATIONS = 500;

    /** Compiled code and buffers come and go by some megabytes. Less than 70 kB a generation would pass; the activations of one block are more. */
    private static final long NOISE_BYTES = 32 << 20;

    @TempDir
    Path folder;

    @Test
    void generations_leaveNothingBehind() throws InterruptedException {
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build()) {
            for (int i = 0; i < WARM_UP; i++) {
                draw(pipeline, i);
            }
            long bytes = nativeBytes();
            long objects = Pointer.totalCount();
            for (int i = WARM_UP; i < GENERATIONS; i++) {
                draw(pipeline, i);
            }
            long after = nativeBytes();
            assertThat(Pointer.totalCount()).isEqualTo(objects);
            assertThat(after).isLessThan(bytes + NOISE_BYTES);
        }
    }

    /**
     * Returns what is resident without the Java heap, which grows as it likes between two collections: the least of two seconds, since
     * the collector gives back its pages, and the compiler its arenas, a while later.
     */
    private static long nativeBytes() throws InterruptedException {
        System.gc();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 40; i++) {
            Thread.sleep(50);
            least = Math.min(
                    least, Pointer.physicalBytes() - Runtime.getRuntime().totalMemory());
        }
        return least;
    }

    private static void draw(ZImagePipeline pipeline, int i) {
        pipeline.generateAll(TinyModel.request()
                .prompt("fox " + i)
                .size(64, i % 2 == 0 ? 64 : 48)
                .steps(1)
                .guidance(i % 3)
                .seed(i)
                .build());
    }
}
