package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Protects the few minutes that there are on a card: a part that fails must not end the others, and no figure may get lost. */
class GpuCheckTest {
    @TempDir
    private Path folder;

    private final StringWriter err = new StringWriter();

    private int check(String device, String... parts) {
        return check(List.of("--device", device), parts);
    }

    private int check(List<String> options, String... parts) {
        Path model = folder.resolve("model");
        if (!Files.exists(model)) {
            SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
        }
        List<String> args = new ArrayList<>(List.of("--model", model.toString()));
        args.addAll(options);
        args.addAll(List.of(
                "--sizes",
                "64",
                "--steps",
                "1",
                "--out",
                folder.resolve("out.json").toString()));
        args.addAll(List.of(parts));
        CommandLine commandLine = GpuCheck.commandLine().setErr(new PrintWriter(err, true));
        return commandLine.execute(args.toArray(String[]::new));
    }

    private List<JsonNode> lines() throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("out.json"))) {
            lines.add(new JsonMapper().readTree(line));
        }
        return lines;
    }

    // On the processor, as far as it goes: that the part asks for what there is, and compares it with what it should
    // be.
    @Test
    void loraPart_comparesEveryPrecisionAndWay() throws IOException {
        int failed = check("cpu", "lora");
        assertThat(lines()).hasSizeGreaterThanOrEqualTo(4).allSatisfy(line -> {
            assertThat(line.has("error")).as(line.toString()).isFalse();
            assertThat(line.get("effect").asDouble()).isGreaterThan(0.01);
        });
        assertThat(failed).isZero();
    }

    @Test
    void partThatFails_isReported_andTheOthersAreDone() throws IOException {
        assertThat(check("cpu", "fp32:attention=none-such", "fp32", "fidelity", "fp32:profile=true"))
                .isEqualTo(2);
        List<JsonNode> lines = lines();
        assertThat(lines.get(0).get("part").asText()).isEqualTo("fp32:attention=none-such");
        assertThat(lines.get(0).get("error").asText()).contains("attention must be one of", "none-such");
        assertThat(lines.get(1).get("part").asText()).isEqualTo("fp32");
        assertThat(lines.get(1).get("picture_s").asDouble()).isPositive();
        assertThat(lines.get(1).get("denoise_s").asDouble()).isPositive();
        assertThat(lines.get(1).get("picture").asText()).matches("[0-9a-f]{16}");
        JsonNode last = lines.get(lines.size() - 1);
        assertThat(last.get("part").asText()).isEqualTo("fp32:profile=true");
        assertThat(last.get("error").asText())
                .isEqualTo("profile=true tells of kernels on cards, but the device is cpu");
        assertThat(lines.subList(2, lines.size() - 1))
                .hasSizeGreaterThan(4)
                .allSatisfy(line -> assertThat(line.get("part").asText()).isEqualTo("fidelity"))
                .anySatisfy(line -> assertThat(line.get("latents").asDouble()).isLessThan(0.1));
    }

    @Test
    void operations_areCheckedAndTimed() throws IOException {
        assertThat(check("cpu", "kernels", "attention")).isZero();
        List<JsonNode> kernels = lines().stream()
                .filter(line -> line.get("part").asText().equals("kernels"))
                .toList();
        assertThat(kernels)
                .extracting(line -> line.get("operation").asText())
                .contains("norm", "add norm", "add norm, norm", "swiglu", "norm, w1, w3", "swiglu, w2", "out")
                .contains("norm, norms and rotations of heads", "norm, q, k, v, norms and rotations of heads")
                .anyMatch(name -> name.startsWith("group norm, SiLU, "));
        assertThat(kernels).allSatisfy(line -> {
            assertThat(line.get("relative_error").asDouble()).isLessThan(0.05);
            assertThat(line.get("ms").asDouble()).isPositive();
            assertThat(line.get("aten_ms").asDouble()).isPositive();
        });
        List<JsonNode> attention = lines().stream()
                .filter(line -> line.get("part").asText().equals("attention"))
                .toList();
        assertThat(attention)
                .extracting(line -> line.get("attention").asText())
                .containsExactly("blockwise", "sdpa", "flash", "math");
        assertThat(attention).allSatisfy(line -> {
            assertThat(line.get("relative_error").asDouble()).isBetween(1e-6, 0.01);
            assertThat(line.get("tflops").asDouble()).isPositive();
        });
    }

    @Test
    void severalDevices_drawTogetherWhatEachDrawsAlone() throws IOException {
        assertThat(check("cpu", "fp32:devices=cpu")).isZero();
        assertThat(lines())
                .filteredOn(line -> line.has("pictures"))
                .singleElement()
                .satisfies(line -> {
                    assertThat(line.get("pictures").asInt()).isEqualTo(8);
                    assertThat(line.get("pictures_s").asDouble()).isPositive();
                });
    }

    @Test
    void deadline_leavesOutWhatIsLate_andSaysSo() throws IOException {
        assertThat(check(List.of("--device", "cpu", "--deadline", "0"), "fp32", "fidelity"))
                .isEqualTo(2);
        assertThat(lines()).extracting(line -> line.get("part").asText()).containsExactly("fp32", "fidelity");
        assertThat(lines())
                .allSatisfy(line ->
                        assertThat(line.get("skipped").asText()).isEqualTo("not done: the deadline of 0 s was over"));
    }

    @Test
    void latents_tooFarFromThoseOfTheCpu_areAnError() {
        Map<String, Object> line = new LinkedHashMap<>();
        FidelityPart.judge(0.12, Precision.BF16, true, line);
        assertThat(line).containsOnly(Map.entry("latents", 0.12));
        FidelityPart.judge(0.12, Precision.BF16, false, line);
        assertThat(line.get("error")).isEqualTo("the latents' relative error 0.120 is more than 0.0200");
        for (Precision precision : Precision.values()) {
            for (double error : new double[] {0.9, Double.NaN}) {
                Map<String, Object> wrong = new LinkedHashMap<>();
                FidelityPart.judge(error, precision, true, wrong);
                assertThat(wrong).as("%s %s", precision, error).containsKey("error");
            }
        }
    }

    @Test
    void failures_arePartsWithErrors() throws IOException {
        assertThat(Findings.failed(List.of(
                        "{\"part\":\"kernels\",\"error\":\"too far\"}",
                        "{\"part\":\"kernels\",\"error\":\"too far\"}",
                        "{\"part\":\"kernels\",\"ms\":1.0}",
                        "{\"part\":\"fidelity\",\"skipped\":\"not here\"}",
                        "{\"part\":\"bf16\",\"error\":\"no memory\"}")))
                .isEqualTo(2);
    }

    @Test
    void missingCard_isTheOneThingThatIsSaid() throws IOException {
        assertThat(check("cuda:9", "fp32", "fidelity")).isEqualTo(1);
        assertThat(lines()).hasSize(1);
        assertThat(lines().get(0).get("part").asText()).isEqualTo("device");
        assertThat(lines().get(0).get("error").asText()).startsWith("device cuda:9 cannot be used: ");
    }

    @Test
    void table_hasEveryFigure_andErrorsLast() throws IOException {
        assertThat(Findings.table(List.of(
                        "{\"part\":\"a\",\"error\":\"no | memory\\nat x.cpp\"}",
                        "{\"part\":\"b\",\"size\":512,\"peak_gib\":[1.0,2.5]}")))
                .isEqualTo("""
                        | part | size | peak_gib | error |
                        |---|---|---|---|
                        | a |  |  | no / memory |
                        | b | 512 | [1.0, 2.5] |  |
                        """);
    }
}
