package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects what is said of memory before anything is loaded, and that what is asked for is what happens. */
final class PlanCommandTest {
    @TempDir
    static Path models;

    private static Path model;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeModel() {
        model = models.resolve("tiny");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 3, bytes -> {});
    }

    private static MainTest.Run run(String command, String... options) {
        List<String> args = new ArrayList<>(List.of(command, "--model", model.toString()));
        args.addAll(List.of(options));
        return MainTest.run(args.toArray(String[]::new));
    }

    @Test
    void withoutAMachine_cardsAreListed() {
        MainTest.Run run = run("plan");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().filter(line -> line.contains("text encoder")))
                .extracting(line -> line.split(" ", 2)[0])
                .containsExactly("768x768", "1024x1024", "1280x1280");
        assertThat(run.out().lines().map(String::strip).filter(line -> line.matches("\\d.*stays.*")))
                .hasSize(3 * 7)
                .allMatch(line -> line.matches("(4|6|8|12|16|24|80) .*"));
    }

    // Whoever asks before fetching 33 GB has no folder to name.
    @Test
    void withoutAModel_turboIsPlannedByItsShapes() throws Exception {
        MainTest.Run run = MainTest.run("plan", "--card", "8g");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().toList().get(0))
                .isEqualTo("Z-Image-Turbo: 1 picture of 1024 x 1024 on cuda:0, at most 7.60 GiB");
        run = MainTest.run("plan", "--memory", "64g", "--json");
        JsonNode json = new JsonMapper().readTree(run.out());
        assertThat(json.path("model").asText()).isEqualTo("Z-Image-Turbo");
        assertThat(json.path("fits").asBoolean()).isTrue();
        // 12.3 GB in BF16 as docs/memory.md says, within a tenth for what is kept in FP32
        assertThat(json.path("parts").path(1).path("bytes").asLong()).isBetween(11_500_000_000L, 13_500_000_000L);
        assertThat(MainTest.run("plan", "--memory", "1g").err())
                .startsWith("zimage: a memory budget of 1.00 GiB is too small");
    }

    @Test
    void withoutAModel_beginsWithThisMachine() {
        List<String> lines = MainTest.run("plan", "--size=1024").out().lines().toList();
        assertThat(lines)
                .startsWith("Z-Image-Turbo on this processor, 1024 x 1024 in 8 steps:")
                .anyMatch(line -> line.matches("  bf16 .* about \\d+ (s|min).* a picture.*\\(estimated\\)"))
                .anyMatch(line -> line.contains("text encoder"));
    }

    @Test
    void machine_isPlannedInFull() {
        MainTest.Run run = run("plan", "--card", "8g", "--size", "512x768", "--count", "2", "--guidance", "3");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().toList().get(0))
                .isEqualTo("tiny: 2 pictures of 512 x 768 with guidance on cuda:0, at most 7.60 GiB");
        run = run("plan", "--memory", "8g", "--place", "transformer=stream:disk");
        assertThat(run.out().lines().toList().get(0))
                .isEqualTo("tiny: 1 picture of 1024 x 1024 on cpu, at most 8.00 GiB");
        assertThat(run.out()).contains("blocks for each step, through 2 slots");
    }

    @ParameterizedTest
    @CsvSource({
        "16:9@1024, 1376 x 768",
        "3:2, 1248 x 832",
        "auto, 1280 x 1280",
        "AUTO, 1280 x 1280",
        "640X320, 640 x 320"
    })
    void size_isReadAsByGenerate(String size, String planned) {
        assertThat(run("plan", "--memory", "8g", "--size", size).out())
                .startsWith("tiny: 1 picture of " + planned + " on cpu");
    }

    @Test
    void tilingAndPrecision_arePlanned() {
        assertThat(run("plan", "--memory", "8g", "--vae-tiling", "64").out()).contains("decode: tiles of 64 rows");
        assertThat(run("plan", "--memory", "8g", "--vae-tiling", "off").out()).contains("decode: whole pictures");
        assertThat(run("plan", "--card", "8g", "--dtype", "int8").out()).contains("  INT8  ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"plan --memory 1m", "plan --card 1m", "generate --prompt fox --memory 1m"})
    void impossibleMemory_isABadRequest_thatNamesAPossibleOne(String line) {
        String[] words = line.split(" ", -1);
        MainTest.Run run = run(words[0], List.of(words).subList(1, words.length).toArray(String[]::new));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().strip()).matches("zimage: .* too small for .*: the smallest that would do has \\d+m.*");
    }

    @Test
    void generatePlan_drawsNothing() {
        Path out = folder.resolve("fox.png");
        MainTest.Run run = run("generate", "--prompt", "fox", "--size=64x32", "--plan", "--out", out.toString());
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("tiny: 1 picture of 64 x 32 on cpu").contains("peak: ");
        assertThat(folder).isEmptyDirectory();
    }

    // The same picture wherever the weights are.
    @ParameterizedTest
    @CsvSource({
        "text=disk,transformer=stream:disk,vae=disk",
        "text=stream:cpu,transformer=disk,vae=cpu",
        "text=cpu,transformer=stream:cpu,vae=disk"
    })
    void placed_drawsTheSame(String text, String transformer, String vae) throws Exception {
        Path usual = folder.resolve("usual.png");
        Path placed = folder.resolve("placed.png");
        assertThat(draw(usual).code()).isZero();
        assertThat(draw(placed, "--place", text, "--place", transformer, "--place", vae)
                        .code())
                .isZero();
        assertThat(placed).hasSameBinaryContentAs(usual);
    }

    @Test
    void cardThatIsNotThere_isRefused() {
        MainTest.Run run = draw(folder.resolve("fox.png"), "--place", "vae=cuda:0");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("zimage: vae cannot be placed on cuda:0");
    }

    private static MainTest.Run draw(Path out, String... options) {
        List<String> all = new ArrayList<>(
                List.of("--prompt", "fox", "--size=64x64", "--steps=2", "--seed=1", "--out", out.toString()));
        all.addAll(List.of(options));
        return run("generate", all.toArray(String[]::new));
    }
}
