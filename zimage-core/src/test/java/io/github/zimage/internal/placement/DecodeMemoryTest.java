package io.github.zimage.internal.placement;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.placement.VaeTiling;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects what tiles save. That it is what decoding really takes is measured by DecodeMemoryMeasuredTest. */
class DecodeMemoryTest {
    private static final long MB = 1 << 20;
    private static final VaeConfig TURBO =
            new VaeConfig(16, List.of(128, 256, 512, 512), 2, 32, 0.3611, 0.1159, false, true, 3);

    private static long megabytes(int height, int width, Precision precision, int rows) {
        return DecodeMemory.peakBytes(TURBO, height, width, precision, rows) / MB;
    }

    @Test
    void tiles_halveTheMemory() {
        assertThat(megabytes(1024, 1024, Precision.BF16, 0)).isBetween(1250L, 1350L);
        assertThat(megabytes(1024, 1024, Precision.BF16, 64)).isBetween(600L, 700L);
        assertThat(megabytes(1024, 1024, Precision.FP32, 64)).isBetween(1200L, 1400L);
    }

    @Test
    void memory_growsWithAreaAndRows() {
        assertThat(megabytes(2048, 1024, Precision.BF16, 0)).isBetween(2600L - 8, 2616L);
        assertThat(megabytes(1024, 1024, Precision.BF16, 16)).isLessThan(megabytes(1024, 1024, Precision.BF16, 128));
        assertThat(DecodeMemory.peakBytes(TURBO, 8192, 8192, Precision.FP32, 0)).isPositive();
    }

    @ParameterizedTest
    @CsvSource({"16, 4096", "1024, 64", "768, 80", "1360, 48", "8192, 8"})
    void rows_suitTheWidthUnlessGiven(int width, int rows) {
        assertThat(DecodeMemory.rowsAtOnce(VaeTiling.on(), width)).isEqualTo(rows);
        assertThat(DecodeMemory.rowsAtOnce(VaeTiling.ofRows(40), width)).isEqualTo(40);
    }
}
