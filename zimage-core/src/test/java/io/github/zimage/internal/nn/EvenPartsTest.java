package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EvenPartsTest {
    // 1088 rows, a picture of 512 x 512 with a prompt, would be four parts of 256 and a slow one of 64.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1|256|1",
                "256|256|256",
                "257|256|144 113",
                "1088|256|224 224 224 224 192",
                "100|33|32 32 32 4",
                "0|64|''"
            })
    void rows_areInPartsOfAboutTheSameLength(long rows, long largest, String expected) {
        List<String> lengths = new ArrayList<>();
        List<Long> starts = new ArrayList<>();
        EvenParts.run(rows, largest, (row, count) -> {
            starts.add(row);
            lengths.add(String.valueOf(count));
        });
        assertThat(lengths).isEqualTo(expected.isEmpty() ? List.of() : List.of(expected.split(" ")));
        long next = 0;
        for (int part = 0; part < starts.size(); part++) {
            assertThat(starts.get(part)).isEqualTo(next);
            next += Long.parseLong(lengths.get(part));
        }
        assertThat(next).isEqualTo(rows);
    }
}
