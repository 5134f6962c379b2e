package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Protects that people can fill a cache, use it, and understand why it was not filled. */
final class ConvertCommandTest {
    @TempDir
    static Path models;

    private static Path model;

    @TempDir
    Path folder;

    @BeforeAll
    static void makeModel() {
        model = models.resolve("tiny");
        MainTest.run("synth", model.toString(), "--size", "tiny", "--dtype", "fp32", "--seed", "3");
    }

    private static List<String> generate(Path out, String... more) {
        List<String> args = new ArrayList<>(List.of(
                "generate",
                "--model=" + model,
                "--prompt=a fox",
                "--size=64x64",
                "--steps=2",
                "--seed=5",
                "--attention=blockwise",
                "--out=" + out));
        args.addAll(List.of(more));
        return args;
    }

    private List<Path> weights(Path cache) {
        if (!Files.exists(cache)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(cache)) {
            return files.filter(file -> Files.isRegularFile(file) && !file.endsWith("lock"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    // FP32 is kept on demand only: what is damaged is not made anew by itself, which must not pass unnoticed.
    @Test
    void damagedWeights_thatAreNotMadeAnew_areSaidOnce() throws IOException {
        Path cache = folder.resolve("cache");
        Path bf16 = folder.resolve("bf16");
        MainTest.run("synth", bf16.toString(), "--size", "tiny", "--dtype", "bf16", "--seed", "3");
        String[] command = {"convert", "--model", bf16.toString(), "--to", cache.toString(), "--precision", "fp32"};
        assertThat(MainTest.run(command).code()).isZero();
        Path damaged = weights(cache).stream()
                .filter(file -> file.toString().contains("transformer-fp32-"))
                .findFirst()
                .orElseThrow();
        String[] generate = {
            "generate",
            "--model=" + bf16,
            "--prompt=a fox",
            "--size=64x64",
            "--steps=1",
            "--dtype=fp32",
            "--attention=blockwise",
            "--cache=" + cache,
            "--out=" + folder.resolve("fox.png")
        };
        Logger logger = (Logger) LoggerFactory.getLogger("io.github.zimage");
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        logger.addAppender(log);
        try {
            assertThat(MainTest.run(generate).code()).isZero();
            assertThat(warnings(log)).isEmpty();
            Files.write(damaged, new byte[100], StandardOpenOption.APPEND);
            assertThat(MainTest.run(generate).code()).isZero();
        } finally {
            logger.detachAppender(log);
        }
        assertThat(warnings(log))
                .singleElement()
                .asString()
                .startsWith("Converted weights of transformer are damaged and not used, ")
                .endsWith("Convert them again, or delete them");
    }

    private static List<String> warnings(ListAppender<ILoggingEvent> log) {
        return log.list.stream()
                .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }

    @Test
    void convert_namesTheFiles_andMendsThem() throws IOException {
        Path cache = folder.resolve("cache");
        String[] command = {"convert", "--model", model.toString(), "--to", cache.toString(), "--precision", "bf16"};
        MainTest.Run first = MainTest.run(command);
        assertThat(first.err()).isEmpty();
        assertThat(first.code()).isZero();
        assertThat(first.out().lines()).hasSize(3).last().asString().startsWith("converted and checked in ");
        List<Path> files = weights(cache);
        assertThat(files).hasSize(2).allSatisfy(file -> assertThat(first.out()).contains(file + "  "));

        byte[] sound = Files.readAllBytes(files.get(0));
        byte[] damaged = sound.clone();
        damaged[damaged.length / 2] ^= 1;
        Files.write(files.get(0), damaged);
        assertThat(MainTest.run(command).code()).isZero();
        assertThat(files.get(0)).hasBinaryContent(sound);
    }

    @Test
    void convert_ofWhatNeedsNone_saysSo() {
        Path other = folder.resolve("bf16");
        MainTest.run("synth", other.toString(), "--size", "tiny");
        MainTest.Run run = MainTest.run(
                "convert",
                "--model",
                other.toString(),
                "--cache",
                folder.resolve("c").toString());
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("nothing to convert");
        assertThat(folder.resolve("c")).doesNotExist();
    }

    @Test
    void convert_intoAFile_isRefused() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        MainTest.Run run = MainTest.run("convert", "--model", model.toString(), "--cache", file.toString());
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err().lines()).hasSize(1);
        assertThat(run.err()).contains("cannot be kept in " + file);
    }

    @Test
    void generate_drawsTheSame_withAndWithoutCache() throws IOException {
        Path cache = folder.resolve("cache");
        List<byte[]> pictures = new ArrayList<>();
        for (String option : List.of("--no-cache", "--cache=" + cache, "--cache=" + cache)) {
            Path out = folder.resolve("fox.png");
            MainTest.Run run = MainTest.run(generate(out, option).toArray(String[]::new));
            assertThat(run.err()).isEmpty();
            assertThat(run.code()).isZero();
            pictures.add(Files.readAllBytes(out));
            assertThat(weights(cache)).hasSize(option.equals("--no-cache") ? 0 : 2);
        }
        assertThat(pictures.get(1)).isEqualTo(pictures.get(0));
        assertThat(pictures.get(2)).isEqualTo(pictures.get(0));
    }

    @Test
    void generate_cacheAndNoCache_excludeEachOther() {
        MainTest.Run run = MainTest.run(generate(folder.resolve("a.png"), "--cache=" + folder, "--no-cache")
                .toArray(String[]::new));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("--cache and --no-cache exclude each other");
    }

    // The limit on the size of a file fails the same call as a full disk: the transformer's 3 MB do not fit, the
    // picture does.
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void generate_onAFullDisk_warnsOnceAndDraws() throws Exception {
        Path cache = folder.resolve("cache");
        Path out = folder.resolve("fox.png");
        List<String> command = new ArrayList<>(List.of(
                "sh",
                "-c",
                "ulimit -f 4000; exec \"$@\"",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(generate(out, "--cache=" + cache));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        assertThat(output.lines().filter(line -> line.startsWith("WARN")))
                .singleElement()
                .asString()
                .contains("Converted weights of transformer cannot be kept in " + cache + ": ")
                .contains("converted in memory");
        assertThat(out).exists();
        assertThat(weights(cache)).as("the text encoder's").hasSize(1);
    }
}
