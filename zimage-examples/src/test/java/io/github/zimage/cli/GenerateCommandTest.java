package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.ImageParameters;
import io.github.zimage.Latents;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From an empty folder to pictures, with commands only. */
final class GenerateCommandTest {
    @TempDir
    static Path models;

    private static Path model;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeModel() {
        model = models.resolve("tiny");
        MainTest.Run run = MainTest.run("synth", model.toString(), "--size", "tiny", "--dtype", "fp32", "--seed", "3");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith(model + "  ").contains(" MB in ");
    }

    @Test
    void info_describesTheModel() {
        MainTest.Run run = MainTest.run("info", model.toString());
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("text_encoder", "transformer", "vae", "F32");
    }

    @Test
    void synth_intoAFolderThatIsInUse_isRefused() throws IOException {
        Path file = Files.createFile(folder.resolve("mine"));
        MainTest.Run run = MainTest.run("synth", folder.toString(), "--size", "tiny");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("zimage: folder must be new or empty");
        assertOnlyFiles(file);
    }

    @Test
    void withoutAModel_theDemoModelDraws_andTheCommandSaysSo() throws IOException {
        Path out = folder.resolve("fox.png");
        MainTest.Run run =
                MainTest.run("generate", "a fox on a yellow background", "--seed=1", "--out", out.toString());
        assertThat(run.code()).isZero();
        assertThat(run.err().lines()).singleElement().asString().contains("the demo model draws");

        BufferedImage image = ImageIO.read(out.toFile());
        assertThat(image.getWidth()).isEqualTo(128);
        assertThat(image.getHeight()).isEqualTo(128);
        Judge judge = new Judge();
        assertThat(judge.objects(image, Judge.Layout.NORMAL)).containsExactly("fox");
        assertThat(judge.background(image)).isEqualTo("yellow");
        assertThat(ImageParameters.read(out).orElseThrow().model()).isEqualTo("demo-model");
    }

    // At full size a picture takes minutes, and its seed was random. All at once, since that is where a check would
    // fail.
    @Test
    void withoutAName_noPictureIsReplaced() throws Exception {
        Path mine = Files.writeString(folder.resolve("zimage.png"), "mine");
        List<CompletableFuture<MainTest.Run>> runs = IntStream.range(1, 4)
                .mapToObj(seed -> CompletableFuture.supplyAsync(() -> drawIn(folder, "--seed=" + seed)))
                .toList();
        for (CompletableFuture<MainTest.Run> run : runs) {
            assertThat(run.get().code()).as(run.get().out()).isZero();
        }
        assertThat(drawIn(folder, "--seed=4", "--count=2").out()).contains("zimage-4.png  ", "zimage-5.png  ");
        assertThat(drawIn(folder, "--seeds=9").out()).contains("zimage-seed9.png  ");
        assertThat(drawIn(folder, "--seeds=9").out()).contains("zimage-seed9-1.png  ");

        assertThat(mine).hasContent("mine");
        List<Long> seeds = new ArrayList<>();
        for (int i = 1; i <= 5; i++) {
            ImageParameters picture =
                    ImageParameters.read(folder.resolve("zimage-" + i + ".png")).orElseThrow();
            seeds.add(picture.request().seedOf(0));
        }
        assertThat(seeds).containsExactlyInAnyOrder(1L, 2L, 3L, 4L, 5L);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).hasSize(8);
        }
    }

    @Test
    void json_isOneDocumentThatSaysAll() throws Exception {
        MainTest.Run run = drawIn(folder, "--seed=18446744073709551615", "--count=2", "--json", "--quiet");
        JsonNode json = new JsonMapper().readTree(run.out());
        assertThat(json.path("pictures")).hasSize(2);
        JsonNode second = json.path("pictures").path(1);
        assertThat(second.path("file").asText()).isEqualTo("zimage-2.png");
        assertThat(second.path("seed").asText()).isEqualTo("0");
        assertThat(json.path("pictures").path(0).path("seed").bigIntegerValue()).isEqualTo("18446744073709551615");
        assertThat(second.path("request").path("prompt").asText()).isEqualTo("a fox");
        assertThat(second.path("width").asInt()).isEqualTo(16);
        assertThat(second.path("seconds").path("steps")).hasSize(1);
        assertThat(json.path("memoryBytes").path("predicted").asLong()).isPositive();
    }

    @Test
    void quiet_printsNamesAlone() {
        assertThat(drawIn(folder, "--quiet", "--negative=x", "--seeds=1,2")
                        .out()
                        .lines())
                .containsExactly("zimage-seed1.png", "zimage-seed2.png");
    }

    // Between the bars, a log line of the pipeline's inside was for nobody.
    @Test
    void withoutVerbose_endsInOnePlainLine() {
        assertThat(drawIn(folder, "--seed=1").out().lines())
                .satisfiesExactly(
                        picture -> assertThat(picture).isEqualTo("zimage.png  16x16, seed 1"),
                        summary -> assertThat(summary)
                                .matches("on cpu in BF16: load .* s, text .* s, 1 step .*; memory .* predicted"));
    }

    @Test
    void from_drawsTheSameAgain_andOptionsChangeIt() throws IOException {
        Path first = folder.resolve("first.png");
        assertThat(drawIn(folder, "--seed=7", "--guidance=1.5", "--negative=dog", "--out=" + first)
                        .code())
                .isZero();
        Path again = folder.resolve("again.png");
        MainTest.Run run = MainTest.run(
                "generate", "--model", model.toString(), "--threads=1", "--from", first.toString(), "--out=" + again);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(ImageIO.read(again.toFile()).getRGB(0, 0, 16, 16, null, 0, 16))
                .isEqualTo(ImageIO.read(first.toFile()).getRGB(0, 0, 16, 16, null, 0, 16));

        Path other = folder.resolve("other.png");
        run = MainTest.run(
                "generate",
                "--model",
                model.toString(),
                "--threads=1",
                "--from",
                first.toString(),
                "--seed=8",
                "--guidance=0",
                "a hen",
                "--out=" + other);
        assertThat(run.err()).contains("--negative has no effect");
        ImageParameters parameters = ImageParameters.read(other).orElseThrow();
        assertThat(parameters.request())
                .isEqualTo(ImageParameters.read(first).orElseThrow().request().toBuilder()
                        .prompt("a hen")
                        .seed(8)
                        .guidance(0)
                        .build());

        Path nothing = Files.write(folder.resolve("nothing.png"), Files.readAllBytes(withoutMetadata(folder)));
        assertThat(MainTest.run("generate", "--from", nothing.toString()).err())
                .contains("it holds no settings of zimage");
    }

    @Test
    void info_asJson_isOneDocument() throws IOException {
        JsonNode json = new JsonMapper()
                .readTree(MainTest.run("info", "--json", model.toString()).out());
        assertThat(json.path("name").asText()).isEqualTo("tiny");
        assertThat(json.path("folder").asText()).isEqualTo(model.toString());
        assertThat(json.path("parts")).hasSize(3);
        Path picture = folder.resolve("fox.png");
        assertThat(drawIn(folder, "--seed=7", "--out=" + picture).code()).isZero();
        json = new JsonMapper()
                .readTree(MainTest.run("info", "--json", picture.toString()).out());
        assertThat(json.path("request").path("seed").asLong()).isEqualTo(7);
        assertThat(json.path("model").asText()).isEqualTo("tiny");
        json = new JsonMapper()
                .readTree(MainTest.run("info", "--json", withoutMetadata(folder).toString())
                        .out());
        assertThat(json.path("parameters").isNull()).isTrue();
    }

    private static Path withoutMetadata(Path folder) {
        assertThat(drawIn(folder, "--no-metadata", "--out=bare.png").code()).isZero();
        return folder.resolve("bare.png");
    }

    // Nobody can know such names before, so nobody can want what is there to go.
    @Test
    void namesWithPlaces_areFilledAndReplaceNothing() {
        String name = "--out={prompt}-{seed}.png";
        assertThat(drawIn(folder, "--seed=4", "--count=2", "--quiet", name)
                        .out()
                        .lines())
                .containsExactly("a-fox-4.png", "a-fox-5.png");
        assertThat(drawIn(folder, "--seed=4", "--quiet", name).out().lines()).containsExactly("a-fox-4-1.png");
        assertThat(drawIn(folder, "--seed=4", "--count=2", "--quiet", "--out={prompt}.png")
                        .out()
                        .lines())
                .containsExactly("a-fox-1.png", "a-fox-2.png");
        assertThat(drawIn(folder, "--quiet", name).out()).matches("a-fox-\\d+\\.png\\R");
    }

    @Test
    void jpeg_byTheNamesEnding() throws IOException {
        for (String name : List.of("fox.jpg", "fox.JPEG")) {
            assertThat(drawIn(folder, "--seed=4", "--out=" + name).code()).isZero();
            byte[] bytes = Files.readAllBytes(folder.resolve(name));
            assertThat(bytes).startsWith(0xff, 0xd8, 0xff);
            assertThat(ImageIO.read(folder.resolve(name).toFile()).getWidth()).isEqualTo(16);
        }
        assertThat(drawIn(folder, "--seed=4", "--out=low.jpg", "--jpeg-quality=1")
                        .code())
                .isZero();
        assertThat(Files.size(folder.resolve("low.jpg"))).isLessThan(Files.size(folder.resolve("fox.jpg")));
        assertThat(drawIn(folder, "--out=low.jpg", "--jpeg-quality=0").out())
                .contains("--jpeg-quality must be between 1 and 100, but was 0");
    }

    @Test
    void wordsWithoutQuotes_areOnePrompt() {
        MainTest.Run run = drawIn(folder, "in", "the", "snow", "--seed=1", "--json", "--quiet");
        assertThat(run.out()).contains("\"a fox in the snow\"");
    }

    private static MainTest.Run drawIn(Path folder, String... options) {
        List<String> args = new ArrayList<>(
                List.of("generate", "--model", model.toString(), "a fox", "--size=16", "--steps=1", "--threads=1"));
        args.addAll(List.of(options));
        try {
            return MainTest.runIn(folder, environment -> {}, args.toArray(String[]::new));
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** The picture says what was drawn. */
    @Test
    void lint_warnsOrMends() throws IOException {
        Path file = folder.resolve("fox.png");
        String prompt = "a (fox:1.2)";
        for (String mode : List.of("off", "warn", "fix")) {
            MainTest.Run run = MainTest.run(
                    "generate",
                    "--model",
                    model.toString(),
                    "--prompt",
                    prompt,
                    "--lint",
                    mode,
                    "--width=32",
                    "--height=32",
                    "--steps=1",
                    "--out",
                    file.toString());

            assertThat(run.code()).isZero();
            assertThat(run.err().contains("zimage: PROMPT_WEIGHT: This model reads no weights"))
                    .isEqualTo(!mode.equals("off"));
            assertThat(run.err().contains("zimage: drawn is: a fox")).isEqualTo(mode.equals("fix"));
            assertThat(ImageParameters.read(file).orElseThrow().prompt())
                    .isEqualTo(mode.equals("fix") ? "a fox" : prompt);
        }
    }

    // The estimate would let these words pass; the limit is the one that generate was given.
    @Test
    void lint_countsWithTheModelsTokenizer() {
        String words = "kaleidoscopic ".repeat(5).strip();
        assertThat(MainTest.run("prompt", "lint", words).out()).doesNotContain("TOO_LONG");
        MainTest.Run run = generate(
                "--lint=warn",
                "--max-prompt-tokens=16",
                "--prompt",
                words,
                "--out",
                folder.resolve("f.png").toString());

        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().lines()).hasSize(2);
        assertThat(run.err())
                .containsPattern("zimage: TOO_LONG: The prompt has [0-9]+ tokens")
                .contains("zimage: prompt must have at most 16 tokens");

        String many = "kaleidoscopic ".repeat(300).strip();
        assertThat(MainTest.run("prompt", "lint", many).out()).doesNotContain("TOO_LONG");
        assertThat(MainTest.run("prompt", "lint", "--model", model.toString(), many)
                        .out())
                .contains("TOO_LONG");
        assertThat(MainTest.run("prompt", "lint", "--model", "missing", "a fox").code())
                .isEqualTo(3);
    }

    // Off unless asked for: every other test here draws with no such line.
    @Test
    void auto_takesTheAdviceAndSaysWhy() throws IOException {
        Path out = folder.resolve("f.png");
        MainTest.Run run = MainTest.run(
                "generate",
                "--model",
                model.toString(),
                "a fox",
                "--size=32x48",
                "--steps=auto",
                "--out",
                out.toString());
        assertThat(run.code()).isZero();
        assertThat(run.err().lines()).containsExactly("zimage: 7 steps: 1 subjects, 0 texts to write, 0 relations.");
        assertThat(run.out()).startsWith(out + "  32x48").contains("7 steps");

        run = MainTest.run(
                "generate",
                "--model",
                model.toString(),
                "--prompt",
                "a (fox:1.2)",
                "--lint=fix",
                "--size=auto",
                "--steps=1",
                "--out",
                out.toString());
        assertThat(run.code()).isZero();
        assertThat(run.err().lines()).last().isEqualTo("zimage: 2 words: 768 \u00d7 768 pixels.");
        assertThat(run.out()).startsWith(out + "  768x768");
    }

    @Test
    void preview_isSmallAndLeadsToItsSeeds() throws IOException {
        Path out = folder.resolve("p.png");
        MainTest.Run run = MainTest.run(draw(out, "--size=64", "--seed=5", "--count=2", "--preview"));
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains(folder.resolve("p-seed5.png") + "  32x32, seed 5")
                .contains(folder.resolve("p-seed6.png") + "  32x32, seed 6");
        assertThat(MainTest.run("info", folder.resolve("p-seed5.png").toString())
                        .out())
                .containsPattern("preview of +64 x 64");

        run = MainTest.run(draw(out, "--size=64", "--seeds=6,3"));
        assertThat(run.out())
                .contains(folder.resolve("p-seed6.png") + "  64x64, seed 6")
                .contains(folder.resolve("p-seed3.png") + "  64x64, seed 3");

        run = MainTest.run(draw(out, "--size=64", "--preview"));
        assertThat(run.code()).isZero();
        assertThat(run.out()).containsPattern("p-seed([0-9]+)\\.png  32x32, seed \\1");
    }

    private static String[] draw(Path out, String... options) {
        return Stream.concat(
                        Stream.of(
                                "generate",
                                "--model",
                                model.toString(),
                                "--prompt",
                                "a fox",
                                "--steps=1",
                                "--out",
                                out.toString()),
                        Stream.of(options))
                .toArray(String[]::new);
    }

    @Test
    void sizesAndStepsThatContradict_areBadRequests() {
        for (List<String> options : List.of(
                List.of("--size=auto", "--width=32"),
                List.of("--size=32x32", "--height=32"),
                List.of("--size=32x"),
                List.of("--size=5:1"),
                List.of("--vae-tiling=512:64"),
                List.of("--seeds=1,2", "--count=2"),
                List.of("--seeds=1,1"),
                List.of("--preview", "--size=48x64"),
                List.of("--size=99999999999x32"),
                List.of("--size=0x32"),
                List.of("--steps=many"),
                List.of("--steps=0"),
                List.of("--steps=auto", "--sigmas=1,0.5"))) {
            MainTest.Run run = MainTest.run(Stream.concat(
                            Stream.of("generate", "--model", model.toString(), "--prompt", "a fox"), options.stream())
                    .toArray(String[]::new));
            assertThat(run.code()).as("%s", options).isEqualTo(2);
            assertThat(run.err().lines()).as("%s", options).hasSize(1);
        }
    }

    @Test
    void severalPictures_haveNumbersAndSeedsOfTheirOwn() throws IOException {
        Path latents = folder.resolve("l.safetensors");
        MainTest.Run run = generate(
                "--count",
                "2",
                "--seed",
                "18446744073709551615",
                "--steps",
                "2",
                "--guidance",
                "1.5",
                "--negative",
                "blau",
                "--out",
                folder.resolve("fox.png").toString(),
                "--latents-out",
                latents.toString());

        assertThat(run.code()).isZero();
        Path first = folder.resolve("fox-1.png");
        Path second = folder.resolve("fox-2.png");
        assertThat(run.out().lines())
                .startsWith(
                        first + "  48x32, seed 18446744073709551615",
                        second + "  48x32, seed 0",
                        latents + "  latents");
        assertThat(run.out().lines().skip(3))
                .singleElement()
                .asString()
                .matches(
                        "on cpu in (FP32|BF16): load [0-9.]+ s, text [0-9.]+ s, 2 steps [0-9.]+ s \\([0-9.]+ s each\\), decode [0-9.]+ s"
                                + "; memory ([0-9.]+ [MG]iB, )?[0-9.]+ [MG]iB predicted");
        assertThat(ImageIO.read(second.toFile()).getWidth()).isEqualTo(48);
        ImageParameters parameters = ImageParameters.read(first).orElseThrow();
        assertThat(parameters.prompt()).isEqualTo("狐 🦊");
        assertThat(parameters.request().negativePrompt()).isEqualTo("blau");
        assertThat(parameters.request().guidance()).isEqualTo(1.5);
        assertThat(parameters.seed()).isEqualTo(-1);
        List<Latents> saved = Latents.load(latents);
        assertThat(saved).hasSize(2);
        assertThat(saved.get(0).height()).isEqualTo(4);
        assertThat(saved.get(0).width()).isEqualTo(6);
        assertOnlyFiles(first, second, latents);
    }

    @Test
    void noMetadata_keepsThePromptOutOfTheFile() throws IOException {
        Path out = folder.resolve("fox.png");
        MainTest.Run run = generate("--no-metadata", "--steps", "1", "--seed", "7", "--out", out.toString());
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith(out + "  48x32, seed 7").contains("1 step ");
        assertThat(ImageParameters.readText(out)).isEmpty();
        assertThat(ImageParameters.read(out)).isEmpty();
        assertOnlyFiles(out);
    }

    // Only the model knows these limits.
    @Test
    void requestThatDoesNotSuitTheModel_isABadRequest() throws IOException {
        String out = folder.resolve("fox.png").toString();
        for (String[] options :
                List.of(new String[] {"--width", "50"}, new String[] {"--attention", "nobody"}, new String[] {
                    "--max-prompt-tokens", "16", "--negative", "x ".repeat(100), "--guidance", "1"
                })) {
            MainTest.Run run = generate(
                    Stream.concat(Stream.of("--out", out), Stream.of(options)).toArray(String[]::new));
            assertThat(run.code()).as(options[0]).isEqualTo(2);
            assertThat(run.err().lines()).as(options[0]).hasSize(1);
            assertThat(run.out()).isEmpty();
        }
        assertThat(folder).isEmptyDirectory();
    }

    private static MainTest.Run generate(String... options) {
        Stream<String> fixed = Stream.of("generate", "--model", model.toString(), "--height", "32");
        Stream<String> prompt = List.of(options).contains("--prompt") ? Stream.of() : Stream.of("--prompt", "狐 🦊");
        Stream<String> size = List.of(options).contains("--width") ? Stream.of() : Stream.of("--width", "48");
        return MainTest.run(Stream.of(fixed, prompt, size, Stream.of(options))
                .flatMap(part -> part)
                .toArray(String[]::new));
    }

    private void assertOnlyFiles(Path... expected) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactlyInAnyOrder(expected);
        }
    }

    @Test
    void previews_areWrittenAfterEverySoManySteps() throws IOException {
        String pattern = folder.resolve("p{picture}-s{step}.png").toString();
        MainTest.Run run = MainTest.run(
                "generate",
                "--prompt=a fox",
                "--steps=5",
                "--count=2",
                "--seed=1",
                "--preview-every=2",
                "--preview-out=" + pattern,
                "--out",
                folder.resolve("f.png").toString());
        assertThat(run.code()).as(run.err()).isZero();
        for (String name : List.of("p1-s2.png", "p1-s4.png", "p2-s2.png", "p2-s4.png")) {
            assertThat(ImageIO.read(folder.resolve(name).toFile()).getWidth())
                    .as(name)
                    .isEqualTo(128);
        }
        assertThat(folder.resolve("p1-s5.png")).doesNotExist();
        for (List<String> wrong : List.of(
                List.of("--preview-every=-1", "--preview-every must be 0 or more, but was -1"),
                List.of("--preview-out=p.jpg", "--preview-out must end in .png, but was 'p.jpg'"),
                List.of("--preview-out=p{step}.png", "must have {picture} in it for 2 pictures"))) {
            MainTest.Run refused = MainTest.run(
                    "generate",
                    "--prompt=a fox",
                    "--count=2",
                    wrong.get(0).startsWith("--preview-every") ? "--seed=1" : "--preview-every=1",
                    wrong.get(0),
                    "--out",
                    folder.resolve("g.png").toString());
            assertThat(refused.code()).isEqualTo(2);
            assertThat(refused.err()).contains(wrong.get(1));
        }
    }
}
