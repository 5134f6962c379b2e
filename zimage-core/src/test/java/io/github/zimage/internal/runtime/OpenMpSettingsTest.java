package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the user set wins; what is no number of threads is named once, in words of ours. */
final class OpenMpSettingsTest {
    private static OpenMpSettings threads(String value) {
        return OpenMpSettings.of(Map.of("OMP_NUM_THREADS", value), 256);
    }

    @Test
    void threadsSpinBriefly_unlessTheUserSaysHowTheyWait() {
        assertThat(OpenMpSettings.of(Map.of(), 2).changes())
                .containsExactly(Map.entry("GOMP_SPINCOUNT", OpenMpSettings.SPIN_COUNT));
        assertThat(OpenMpSettings.of(Map.of("GOMP_SPINCOUNT", "infinite"), 2).changes())
                .isEmpty();
        assertThat(OpenMpSettings.of(Map.of("OMP_WAIT_POLICY", "active"), 2).changes())
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "GOMP_SPINCOUNT, abc, a number or INFINITE",
        "GOMP_SPINCOUNT, -1, a number or INFINITE",
        "GOMP_SPINCOUNT, '', a number or INFINITE",
        "OMP_WAIT_POLICY, sleepy, ACTIVE or PASSIVE"
    })
    void waysToWaitThatAreNone_countAsNotSet(String name, String value, String rule) {
        OpenMpSettings settings = OpenMpSettings.of(Map.of(name, value), 2);
        assertThat(settings.changes()).containsEntry("GOMP_SPINCOUNT", OpenMpSettings.SPIN_COUNT);
        assertThat(settings.changes().getOrDefault("OMP_WAIT_POLICY", null)).isNull();
        assertThat(settings.spinsBriefly()).isTrue();
        assertThat(settings.warnings(2, 2))
                .containsExactly("%s must be %s, but is '%s': it counts as not set".formatted(name, rule, value));
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "' 7 ', 7", "0, 64", "-1, 64", "abc, 64", "'', 64", "99999999999, 64"})
    void limitOfThreads_isOne_orNone(String value, int limit) {
        Map<String, String> environment = Map.of("OMP_THREAD_LIMIT", value);
        assertThat(OpenMpSettings.limit(environment, 64)).isEqualTo(limit);
        assertThat(OpenMpSettings.of(environment, 2).changes()).containsEntry("OMP_THREAD_LIMIT", null);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "2", " 8 ", "4,2", "3 , 1", "1024"})
    void numbersOfThreads_stay(String value) {
        OpenMpSettings settings = threads(value);
        assertThat(settings.changes()).doesNotContainKey("OMP_NUM_THREADS");
        assertThat(settings.warnings(1, 2)).isEmpty();
        assertThat(OpenMpSettings.choosesThreads(Map.of("OMP_NUM_THREADS", value), 256))
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0",
                "-1",
                "abc",
                "",
                "  ",
                "99999999999999",
                "1025",
                "2000000000",
                "4abc",
                "4,0",
                "4,",
                ",",
                "1.5",
                "0x4",
                "２"
            })
    void otherValues_areTakenAway_andNamedInOneLine(String value) {
        OpenMpSettings settings = threads(value);
        assertThat(settings.changes()).containsEntry("OMP_NUM_THREADS", null);
        assertThat(OpenMpSettings.choosesThreads(Map.of("OMP_NUM_THREADS", value), 256))
                .isFalse();
        assertThat(settings.warnings(256, 256))
                .containsExactly("OMP_NUM_THREADS must be a number of threads from 1 to 1024 here, but is '" + value
                        + "': it counts as not set, and 256 compute, on 256 processors");
    }

    @Test
    void valueOfAStranger_isShownInPart_withoutWhatSteersATerminal() {
        assertThat(threads("\u001b[2J\n" + "x".repeat(10_000)).warnings(1, 1))
                .singleElement()
                .satisfies(line -> assertThat(line)
                        .contains("'\ufffd[2J\ufffdx")
                        .hasSizeLessThan(250)
                        .doesNotContain("\n"));
    }

    @Test
    void moreThreadsThanProcessors_areWarnedOf() {
        assertThat(OpenMpSettings.of(Map.of("OMP_NUM_THREADS", "8"), 2).warnings(8, 2))
                .containsExactly(
                        "8 threads are to compute, but this process may use only 2 processors: set OMP_NUM_THREADS to that,"
                                + " or leave it unset");
    }

    /** With 1000 on two processors, loading a small model took a minute. */
    @ParameterizedTest
    @ValueSource(strings = {"9", "1000", "1024", "9,1"})
    void moreThanFourAProcessor_countAsNotSet(String value) {
        Map<String, String> environment = Map.of("OMP_NUM_THREADS", value);
        OpenMpSettings settings = OpenMpSettings.of(environment, 2);
        assertThat(settings.changes()).containsEntry("OMP_NUM_THREADS", null);
        assertThat(OpenMpSettings.choosesThreads(environment, 2)).isFalse();
        assertThat(settings.warnings(2, 2))
                .containsExactly("OMP_NUM_THREADS must be a number of threads from 1 to 8 here, but is '" + value
                        + "': it counts as not set, and 2 compute, on 2 processors");
    }
}
