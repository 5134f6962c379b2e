package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.tuning.RuntimeInfo;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class TurboVerdictTest {
    private static RuntimeInfo machine(double bf16, double int8, String disturbance) {
        List<RuntimeInfo.Kernel> kernels = new ArrayList<>();
        for (String operation : List.of("linear 3840 x 3840", "linear 3840 x 10240", "linear 10240 x 3840")) {
            kernels.add(kernel(operation, Precision.BF16, bf16));
            if (int8 > 0) {
                kernels.add(kernel(operation, Precision.INT8, int8));
            }
        }
        kernels.add(kernel("attention, 4224 tokens", Precision.BF16, bf16));
        return new RuntimeInfo("", "", "", List.of(), "", 2, kernels, List.of(), 0, 0, "", 0, disturbance);
    }

    private static RuntimeInfo.Kernel kernel(String operation, Precision precision, double rate) {
        return new RuntimeInfo.Kernel(operation, precision, Map.of("taken", rate, "other", rate / 2), "taken");
    }

    // What docs/performance.md says was measured on the machine whose products ran at 0.94 TFLOP/s: 128 s.
    @Test
    void time_isThatWhichWasMeasured() {
        GenerationRequest request =
                GenerationRequest.builder().prompt("").size(512, 512).build();
        Duration time = TurboTime.of(machine(0.94, 0, "")).picture(Precision.BF16, request);
        assertThat(time.toSeconds()).isBetween(120L, 136L); // that run varied by 6 %
        assertThat(TurboTime.of(machine(1.88, 0, ""))
                        .picture(Precision.BF16, request)
                        .toMillis())
                .isBetween(time.toMillis() / 2 - 1, time.toMillis() / 2 + 1);
    }

    @Test
    void verdict_namesEachPrecisionOfTheProcessor() {
        String both = TurboVerdict.of(machine(0.94, 1.8, ""), 1024).text();
        assertThat(both.lines().toList().get(0)).isEqualTo("Z-Image-Turbo on this processor, 1024 x 1024 in 8 steps:");
        assertThat(both)
                .containsPattern("bf16 .* a picture \\(estimated\\)")
                .containsPattern("int8 ")
                .doesNotContain("Other programs");
        assertThat(TurboVerdict.of(machine(0.94, 0, "busy"), 1024).text())
                .doesNotContain("int8  ")
                .contains("Other programs compute");
    }

    @ParameterizedTest
    @CsvSource({"0, 1 s", "900, 1 s", "119000, 119 s", "128000, 2 min", "600000, 10 min"})
    void times_haveNoMoreDigitsThanAnEstimate(long millis, String shown) {
        assertThat(TurboVerdict.people(Duration.ofMillis(millis))).isEqualTo(shown);
    }
}
