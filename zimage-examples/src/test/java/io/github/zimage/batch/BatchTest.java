package io.github.zimage.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** However a batch is stopped and started again, each key has one whole picture and one row of the manifest. */
final class BatchTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final GenerationRequest DEFAULTS = GenerationRequest.builder()
            .prompt("the row's")
            .size(64, 64)
            .steps(2)
            .build();

    @TempDir
    Path folder;

    /** Draws text: what a picture says follows from its request. */
    private static final Painter TEXTS = request -> CompletableFuture.completedFuture(picture(request));

    private static Painter.Picture picture(GenerationRequest request) {
        return new Painter.Picture(request.toJson().getBytes(StandardCharsets.UTF_8), 64, 64, 1);
    }

    @Test
    void eachRowIsAPictureAndARowOfTheManifest() throws IOException {
        Path table = table(
                "rows.jsonl",
                "{\"prompt\":\"a fox\",\"id\":\"first\"}",
                "",
                "{\"prompt\":\"a cat\",\"seed\":7,\"count\":2}");
        assertThat(run(table, TEXTS)).isEqualTo(new BatchRun.Counts(3, 0, 0));
        List<JsonNode> rows = manifest();
        assertThat(rows).hasSize(3);
        assertThat(rows.get(0).get("id").asText()).isEqualTo("first");
        assertThat(rows.get(1).get("id").asText()).isEqualTo("2");
        assertThat(rows.stream().map(row -> row.get("seed").asText())).contains("7", "8");
        for (JsonNode row : rows)
            assertThat(pictures()).containsKey(row.get("file").asText());
    }

    @Test
    void aSecondRunDrawsNothingAndATableOfMoreRowsOnlyThose() throws IOException {
        Path table = table("rows.jsonl", "{\"prompt\":\"a fox\"}");
        run(table, TEXTS);
        Map<String, String> before = pictures();
        assertThat(run(table, TEXTS)).isEqualTo(new BatchRun.Counts(0, 1, 0));
        assertThat(pictures()).isEqualTo(before);
        Path longer = table("longer.jsonl", "{\"prompt\":\"a fox\"}", "{\"prompt\":\"a cat\"}");
        assertThat(run(longer, TEXTS)).isEqualTo(new BatchRun.Counts(1, 1, 0));
    }

    @Test
    void rowsThatAreThereTwiceAreDrawnOnce() throws IOException {
        AtomicInteger drawn = new AtomicInteger();
        Path table = table(
                "rows.jsonl",
                "{\"prompt\":\"a fox\"}",
                "{\"prompt\":\"a fox\"}",
                "{\"prompt\":\"a fox\",\"id\":\"again\"}");
        run(table, request -> {
            drawn.incrementAndGet();
            return TEXTS.draw(request);
        });
        assertThat(drawn).hasValue(1);
        assertThat(manifest()).hasSize(1);
    }

    @Test
    void badRowsAreRowsOfErrorsAndTheOthersAreDrawn() throws IOException {
        Path table = table(
                "rows.jsonl",
                "{\"prompt\":\"a fox\"}",
                "{\"prompt\":\"a fox\",\"size\":\"7 by 9\"}",
                "{\"prompt\":\"a fox\",\"width\":-3}",
                "not JSON",
                "[1]",
                "{\"promt\":\"a fox\"}",
                "{\"prompts\":[\"a\",\"b\"]}",
                "{\"prompt\":\"refused\"}");
        Painter refusing = request -> {
            if (request.prompts().contains("refused")) throw new InvalidRequestException(List.of("prompt"), "too long");
            return TEXTS.draw(request);
        };
        assertThat(run(table, refusing)).isEqualTo(new BatchRun.Counts(1, 0, 7));
        assertThat(manifest().stream().filter(row -> row.has("error"))).hasSize(7);
        assertThat(run(table, refusing)).isEqualTo(new BatchRun.Counts(0, 8, 0));
        assertThat(new Batch(reader(), TEXTS, folder, Shard.WHOLE, 2)
                        .run(Table.open(table), true, (counts, part) -> {}))
                .isEqualTo(new BatchRun.Counts(1, 1, 6));
        assertThat(manifest()).hasSize(8);
    }

    @Test
    void memoryThatIsShortOnceIsTriedAgainAndTwiceIsAnError() throws IOException {
        AtomicInteger calls = new AtomicInteger();
        Painter shortOnce = request -> calls.getAndIncrement() == 0
                ? CompletableFuture.failedFuture(new OutOfDeviceMemoryException("short"))
                : TEXTS.draw(request);
        assertThat(run(table("one.jsonl", "{\"prompt\":\"a fox\"}"), shortOnce))
                .isEqualTo(new BatchRun.Counts(1, 0, 0));
        Painter alwaysShort = request -> CompletableFuture.failedFuture(new OutOfDeviceMemoryException("short"));
        assertThat(run(table("two.jsonl", "{\"prompt\":\"a cat\"}"), alwaysShort))
                .isEqualTo(new BatchRun.Counts(0, 0, 1));
    }

    @Test
    void whatEndsThePipelineEndsTheBatchAndALaterRunGoesOn() throws IOException {
        Path table = table(
                "rows.jsonl",
                IntStream.range(0, 20)
                        .mapToObj(i -> "{\"prompt\":\"row " + i + "\"}")
                        .toArray(String[]::new));
        AtomicInteger calls = new AtomicInteger();
        Painter breaking = request -> calls.getAndIncrement() == 9
                ? CompletableFuture.failedFuture(new ZImageException("the file has changed"))
                : TEXTS.draw(request);
        assertThatThrownBy(() -> run(table, breaking)).isInstanceOf(ZImageException.class);
        run(table, TEXTS);
        assertThat(pictures()).hasSize(20);
        assertThat(manifest()).hasSize(20);
    }

    @Test
    void randomlyBrokenFoldersEndAsACleanRunDoes() throws IOException {
        Path table = table(
                "rows.jsonl",
                IntStream.range(0, 30)
                        .mapToObj(i -> "{\"prompt\":\"row " + i % 25 + "\"}")
                        .toArray(String[]::new));
        run(table, TEXTS);
        Map<String, String> clean = pictures();
        Set<String> keys = keys();
        Random random = new Random(5);
        for (int round = 0; round < 40; round++) {
            List<Path> files = new ArrayList<>(files());
            for (int i = 0; i < 5; i++) Files.deleteIfExists(files.get(random.nextInt(files.size())));
            Path manifest = folder.resolve("manifest.jsonl");
            byte[] bytes = Files.readAllBytes(manifest);
            Files.write(manifest, java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length + 1)));
            run(table, TEXTS);
            assertThat(pictures()).as("round " + round).isEqualTo(clean);
            assertThat(manifest()).hasSize(25);
            assertThat(keys()).isEqualTo(keys);
        }
    }

    @Test
    void shardsAreDisjointAndTogetherAll() throws IOException {
        Path table = table(
                "rows.jsonl",
                IntStream.range(0, 40)
                        .mapToObj(i -> "{\"prompt\":\"row " + i + "\"}")
                        .toArray(String[]::new));
        long drawn = 0;
        for (int i = 0; i < 3; i++) {
            drawn += new Batch(reader(), TEXTS, folder, new Shard(i, 3), 2)
                    .run(Table.open(table), false, (counts, part) -> {})
                    .drawn();
            assertThat(folder.resolve("manifest-" + i + "-of-3.jsonl")).isNotEmptyFile();
        }
        assertThat(drawn).isEqualTo(40);
        assertThat(pictures()).hasSize(40);
        assertThatThrownBy(() -> Shard.of("3/3")).hasMessageContaining("0 to n - 1");
    }

    @Test
    void oneRunAtATimeWrites() throws IOException {
        Path table = table("rows.jsonl", "{\"prompt\":\"a fox\"}");
        try (Manifest open = Manifest.open(folder.resolve("manifest.jsonl"), row -> true)) {
            assertThat(open.has("0".repeat(64))).isFalse();
            assertThatThrownBy(() -> run(table, TEXTS)).hasMessageContaining("another batch");
        }
        assertThat(run(table, TEXTS).drawn()).isOne();
    }

    @Test
    void keysFollowFromTheRequestTheModelAndThePrecision() throws IOException {
        TableRow row = Table.open(table("rows.jsonl", "{\"prompt\":\"a fox\"}")).next();
        BatchJob job = reader().jobs(row).get(0);
        assertThat(reader().jobs(row).get(0)).isEqualTo(job);
        assertThat(new RowReader(DEFAULTS, Set.of(), "another").jobs(row).get(0).key())
                .isNotEqualTo(job.key());
        RowReader slower = new RowReader(DEFAULTS.toBuilder().steps(3).build(), Set.of(), "model");
        assertThat(slower.jobs(row).get(0).key()).isNotEqualTo(job.key());
    }

    @Test
    void csvCellsAreWhatTheirFieldsTake() throws IOException {
        Path table = table(
                "rows.csv",
                "\uFEFFid,prompt,size,seed,negative_prompt,note",
                "a,\"a fox, \"\"red\"\"\",128x64,18446744073709551615,,x",
                "b,42,,,7,y");
        RowReader reader = new RowReader(DEFAULTS, Set.of("note"), "model");
        Table rows = Table.open(table);
        BatchJob fox = reader.jobs(rows.next()).get(0);
        assertThat(fox.request().prompts()).containsExactly("a fox, \"red\"");
        assertThat(fox.request().width()).isEqualTo(128);
        assertThat(fox.request().seed()).isEqualTo(-1L);
        assertThat(fox.id()).isEqualTo("a");
        BatchJob number = reader.jobs(rows.next()).get(0);
        assertThat(number.request().prompts()).containsExactly("42");
        assertThat(number.request().negativePrompt()).isEqualTo("7");
        assertThat(number.request().width()).isEqualTo(64);
        assertThat(rows.hasNext()).isFalse();
    }

    @Test
    void filesThatCannotBeWrittenEndTheRunWithoutLoss() throws IOException {
        Path table = table("rows.jsonl", "{\"prompt\":\"a fox\"}");
        BatchJob job = reader().jobs(Table.open(table).next()).get(0);
        Path blocked = folder.resolve(job.key().substring(0, 2));
        Files.writeString(blocked, "in the way");
        assertThatThrownBy(() -> run(table, TEXTS)).isInstanceOf(IOException.class);
        Files.delete(blocked);
        assertThat(run(table, TEXTS).drawn()).isOne();
    }

    @Test
    void tablesOfOtherKindsAreRefused() {
        assertThatThrownBy(() -> Table.open(folder.resolve("rows.xlsx"))).hasMessageContaining("must be a file");
        assertThatThrownBy(() -> Table.open(table("rows.xlsx", "x"))).hasMessageContaining(".jsonl or .csv");
    }

    private BatchRun.Counts run(Path table, Painter painter) throws IOException {
        try (Table rows = Table.open(table)) {
            return new Batch(reader(), painter, folder, Shard.WHOLE, 3).run(rows, false, (counts, part) -> {});
        }
    }

    private static RowReader reader() {
        return new RowReader(DEFAULTS, Set.of(), "model");
    }

    private Path table(String name, String... lines) throws IOException {
        return Files.writeString(
                Files.createDirectories(folder.resolve("tables")).resolve(name), String.join("\n", lines));
    }

    private List<JsonNode> manifest() throws IOException {
        return Files.readAllLines(folder.resolve("manifest.jsonl")).stream()
                .map(BatchTest::parsed)
                .toList();
    }

    private Set<String> keys() throws IOException {
        return manifest().stream().map(row -> row.get("key").asText()).collect(Collectors.toCollection(HashSet::new));
    }

    private static JsonNode parsed(String line) {
        try {
            return JSON.readTree(line);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".png")).toList();
        }
    }

    private Map<String, String> pictures() throws IOException {
        Map<String, String> pictures = new TreeMap<>();
        for (Path file : files()) pictures.put(folder.relativize(file).toString(), Files.readString(file));
        return pictures;
    }
}
