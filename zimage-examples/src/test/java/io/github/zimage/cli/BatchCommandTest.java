package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ImageParameters;
import io.github.zimage.demo.DemoModel;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The command draws tables with a model, and killed ones end as those that were not. */
final class BatchCommandTest {
    private static final String[] OPTIONS = {"--size", "64", "--steps", "2", "--threads", "1"};

    @TempDir
    Path folder;

    @Test
    void tableIsDrawnAndItsErrorsAreCounted() throws IOException {
        Path table = table("{\"prompt\":\"a fox\",\"seed\":3}", "{\"prompt\":\"a cat\",\"width\":7}");
        Path out = folder.resolve("out");
        assertThat(run(table, out)).isEqualTo(BatchCommand.ROWS_FAILED);
        List<Path> pictures = pictures(out);
        assertThat(pictures).hasSize(1);
        assertThat(ImageParameters.read(pictures.get(0)).orElseThrow().seed()).isEqualTo(3);
        assertThat(Files.readAllLines(out.resolve("manifest.jsonl"))).hasSize(2);
        assertThat(run(table, out)).isZero();
    }

    @Test
    void killedRunsEndAsCleanOnes() throws Exception {
        String[] rows = Stream.iterate(0, i -> i + 1)
                .limit(30)
                .map(i -> "{\"prompt\":\"a fox\",\"seed\":" + i + "}")
                .toArray(String[]::new);
        Path table = table(rows);
        Path clean = folder.resolve("clean");
        assertThat(run(table, clean)).isZero();
        Path killed = folder.resolve("killed");
        for (int kill = 0; kill < 3; kill++) {
            int before = Files.exists(killed) ? pictures(killed).size() : 0;
            Process process = new ProcessBuilder(command(table, killed))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            while (process.isAlive()
                    && (!Files.exists(killed) || pictures(killed).size() < before + 3)) {
                Thread.sleep(5);
            }
            process.destroyForcibly().waitFor();
        }
        assertThat(run(table, killed)).isZero();
        List<Path> pictures = pictures(killed);
        assertThat(pictures).hasSize(30);
        for (Path picture : pictures) {
            assertThat(clean.resolve(killed.relativize(picture))).hasSameBinaryContentAs(picture);
        }
        assertThat(Files.readAllLines(killed.resolve("manifest.jsonl"))).hasSize(30);
    }

    private static String[] command(Path table, Path out) {
        return Stream.concat(
                        Stream.of(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Main.class.getName()),
                        Stream.of(arguments(table, out)))
                .toArray(String[]::new);
    }

    private static String[] arguments(Path table, Path out) {
        return Stream.concat(
                        Stream.of(
                                "batch",
                                table.toString(),
                                "--out",
                                out.toString(),
                                "--model",
                                DemoModel.path().toString()),
                        Stream.of(OPTIONS))
                .toArray(String[]::new);
    }

    private static int run(Path table, Path out) {
        return new CommandLine(new Main())
                .setErr(new PrintWriter(new StringWriter()))
                .setOut(new PrintWriter(new StringWriter()))
                .execute(arguments(table, out));
    }

    private static List<Path> pictures(Path out) throws IOException {
        try (Stream<Path> files = Files.walk(out)) {
            return files.filter(file -> file.toString().endsWith(".png"))
                    .sorted()
                    .toList();
        } catch (java.io.UncheckedIOException e) {
            return List.of();
        }
    }

    private Path table(String... rows) throws IOException {
        return Files.writeString(folder.resolve("table.jsonl"), String.join("\n", rows));
    }
}
