package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.tuning.RuntimeInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class DoctorCommandTest {
    // The first thing that a bug report needs.
    @Test
    void doctor_describesTheMachine() {
        MainTest.Run run = MainTest.run("doctor");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("Z-Image-Turbo on this processor, 1024 x 1024 in 8 steps:");
        assertThat(run.out()).contains(System.getProperty("java.version"), "2.10.0");
        for (String precision : List.of("FP32", "BF16")) {
            for (String operation : List.of(
                    "linear 3840 x 3840",
                    "linear 3840 x 10240",
                    "linear 10240 x 3840",
                    "attention, 1152 tokens",
                    "attention, 4224 tokens")) {
                assertThat(run.out()).containsPattern(precision + " +" + operation + " +\\w+ \\(.+ TFLOP/s\\)");
            }
        }
        assertThat(run.out()).contains("INT8");
    }

    // What is said to be taken must have been measured, and be what pipelines are told afterwards.
    @Test
    void choice_isAmongTheCandidates_andIsKept() throws IOException {
        RuntimeInfo info = RuntimeInfo.probe();
        assertThat(info.kernels()).hasSizeGreaterThanOrEqualTo(10);
        Map<String, String> choices = new HashMap<>();
        for (RuntimeInfo.Kernel kernel : info.kernels()) {
            assertThat(kernel.teraflops().values()).as("%s", kernel).allMatch(rate -> rate > 0);
            assertThat(kernel.teraflops()).as("%s", kernel).containsKey(kernel.choice());
            choices.put(kernel.precision() + " " + kernel.operation(), kernel.choice());
        }
        assumeTrue(info.disturbance().isEmpty(), "beside other programs nothing is kept");
        Path cache = Path.of(System.getenv("ZIMAGE_CACHE"));
        String kept;
        try (Stream<Path> files = Files.list(cache)) {
            Path newest = files.filter(file -> file.getFileName().toString().startsWith("processor-"))
                    .max(Comparator.comparingLong(file -> file.toFile().lastModified()))
                    .orElseThrow();
            kept = Files.readString(newest);
        }
        assertThat(kept)
                .contains(
                        "\"linear bfloat16 3840 x 10240\" : \"%s\"".formatted(choices.get("BF16 linear 3840 x 10240")))
                .contains("\"attention bfloat16\" : \"%s\"".formatted(choices.get("BF16 attention, 1152 tokens")));
    }
}
