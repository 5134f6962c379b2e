package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.placement.VaeTiling;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects what can be asked for, and that nothing is asked for that would not act. */
class VaeTilingTest {
    @Test
    void textsMeanWhatTheFactoriesMake() {
        assertThat(VaeTiling.parse("Auto")).isEqualTo(VaeTiling.auto());
        assertThat(VaeTiling.parse("on")).isEqualTo(VaeTiling.on());
        assertThat(VaeTiling.parse("OFF")).isEqualTo(VaeTiling.off());
        assertThat(VaeTiling.parse("64")).isEqualTo(VaeTiling.ofRows(64));
        assertThat(VaeTiling.ofRows(8192).rows()).isEqualTo(8192);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "some | must be auto, on, off or a number of rows such as 64, but was 'some'",
                "-8 | must be auto, on, off or a number of rows",
                "9999999999 | must be auto, on, off or a number of rows",
                "512:64 | but was '512:64'; tiles need no overlap: give the rows alone",
                "0 | must have rows",
                "12 | must be a multiple of 8 from 8 to 8192, but were 12",
                "8200 | must be a multiple of 8 from 8 to 8192, but were 8200",
            })
    void otherTexts_areRefused(String text, String message) {
        assertThatThrownBy(() -> VaeTiling.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void rowsWithoutTiles_areRefused() {
        assertThatThrownBy(() -> new VaeTiling(VaeTiling.Mode.OFF, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("off");
    }
}
