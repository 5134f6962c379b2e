package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.Precision;
import io.github.zimage.SyntheticModel;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Protects the few minutes that there are on a card: a part that fails must not end the others, and no figure may get lost. */
class GpuCheckTest {
    @TempDir
    private Path folder;

    private final StringWriter err = new StringWriter();

    private int check(String device, String... parts) {
        Path model = folder.resolve("model");
        if (!Files.exists(model)) {
            SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
        }
        List<String> args = new ArrayList<>(List.of("--model", model.toString(), "--device", device));
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

    @Test
    void partThatFails_isReported_andTheOthersAreDone() throws IOException {
        assertThat(check("cpu", "fp32:attention=none-such", "fp32", "fidelity")).isEqualTo(1);
        List<JsonNode> lines = lines();
        assertThat(lines.get(0).get("part").asText()).isEqualTo("fp32:attention=none-such");
        assertThat(lines.get(0).get("error").asText()).contains("attention must be one of", "none-such");
        assertThat(lines.get(1).get("part").asText()).isEqualTo("fp32");
        assertThat(lines.get(1).get("picture_s").asDouble()).isPositive();
        assertThat(lines.get(1).get("denoise_s").asDouble()).isPositive();
        assertThat(lines.subList(2, lines.size()))
                .hasSizeGreaterThan(4)
                .allSatisfy(line -> assertThat(line.get("part").asText()).isEqualTo("fidelity"))
                .anySatisfy(line -> assertThat(line.get("latents").asDouble()).isLessThan(0.1));
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
        assertThat(GpuCheck.table(List.of(
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
