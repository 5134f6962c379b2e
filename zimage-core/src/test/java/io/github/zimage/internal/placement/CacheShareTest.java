package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Protects the page cache of small machines from being filled with blocks that will be gone before they are needed again. */
final class CacheShareTest {
    private static long kept(CacheShare share, int units) {
        return IntStream.range(0, units).filter(share::keeps).count();
    }

    @Test
    void blocksThatAllFit_areLeftToTheCache() {
        assertThat(kept(new CacheShare(100, 32, 6400), 32)).isEqualTo(32);
        assertThat(kept(new CacheShare(100, 32, Long.MAX_VALUE), 32)).isEqualTo(32);
    }

    @Test
    void blocksThatDoNotFit_shareHalfOfWhatThereIs_alwaysTheSameOnes() {
        CacheShare share = new CacheShare(100, 32, 2100);
        int[] first = IntStream.range(5, 32).filter(share::keeps).toArray();
        assertThat(first).hasSize(10).startsWith(5);
        assertThat(IntStream.range(0, 32).filter(share::keeps).toArray()).isEqualTo(first);
        assertThat(kept(new CacheShare(100, 32, 100), 32)).isZero();
        assertThat(kept(new CacheShare(100, 32, -100), 32))
                .as("less than nothing")
                .isZero();
    }
}
