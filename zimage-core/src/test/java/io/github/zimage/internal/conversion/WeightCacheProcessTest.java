package io.github.zimage.internal.conversion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Protects kept weights from processes that are killed, that run out of room, or that write at the same time. */
@Timeout(120)
class WeightCacheProcessTest {
    private static final int KILLS = 8;

    @TempDir
    Path folder;

    private Path model;
    private Path root;

    @BeforeEach
    void writeCheckpoint() {
        model = folder.resolve("tiny");
        root = folder.resolve("cache");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 3, done -> {});
    }

    /** Converts a number of times, forgetting the result before each but the first, and says so. */
    static final class Converter {
        private Converter() {}

        public static void main(String[] args) throws IOException {
            Path root = Path.of(args[1]);
            for (int i = 0; i < Integer.parseInt(args[2]); i++) {
                System.out.println("start");
                try {
                    if (i > 0) {
                        for (Path file : weights(root)) {
                            Files.delete(file);
                        }
                    }
                    // So slow that it is most likely writing when it is killed.
                    System.out.println(convert(Path.of(args[0]), root, done -> LockSupport.parkNanos(1_000_000))
                            .files());
                } catch (IOException e) {
                    System.out.println("refused: " + e.getMessage());
                }
            }
        }
    }

    private static WeightIndex convert(Path model, Path root) throws IOException {
        return convert(model, root, done -> {});
    }

    private static WeightIndex convert(Path model, Path root, LongConsumer progress) throws IOException {
        WeightIndex own = Checkpoint.open(model, null).weights(Component.TRANSFORMER);
        return new WeightCache(root).convert(Component.TRANSFORMER, own, Precision.BF16, true, progress);
    }

    private static List<Path> weights(Path root) throws IOException {
        return files(root, "weights.safetensors");
    }

    private static List<Path> files(Path root, String end) throws IOException {
        if (!Files.exists(root)) {
            return List.of();
        }
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(file -> file.toString().endsWith(end)).toList();
        }
    }

    private ProcessBuilder converter(int times) {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Converter.class.getName(),
                        model.toString(),
                        root.toString(),
                        String.valueOf(times))
                .redirectErrorStream(true);
    }

    private static List<String> output(Process process) throws InterruptedException {
        List<String> lines = process.inputReader()
                .lines()
                .filter(line -> !line.startsWith("SLF4J"))
                .toList();
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        return lines;
    }

    @Test
    void killedAtAnyMoment_leavesNoHalfFile() throws Exception {
        Random random = new Random(11);
        byte[] sound = Files.readAllBytes(convert(model, root).files().get(0));
        int interrupted = 0;
        for (int i = 0; i < KILLS; i++) {
            Process process = converter(1000).start();
            try (BufferedReader lines = process.inputReader()) {
                String line = lines.readLine();
                while (line != null && !line.equals("start")) {
                    line = lines.readLine();
                }
                awaitHalfFile();
                Thread.sleep(random.nextInt(20));
                process.destroyForcibly().waitFor();
            }
            for (Path file : weights(root)) {
                assertThat(file).hasBinaryContent(sound);
            }
            interrupted += files(root, ".tmp").size();

            assertThat(convert(model, root).files().get(0)).hasBinaryContent(sound);
            Files.delete(weights(root).get(0));
            convert(model, root);
            assertThat(files(root, ".tmp")).isEmpty();
        }
        assertThat(interrupted).as("some were killed while they wrote").isPositive();
    }

    private void awaitHalfFile() throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!hasHalfFile() && System.nanoTime() < end) {
            Thread.sleep(1);
        }
    }

    private boolean hasHalfFile() throws IOException {
        try {
            return !files(root, ".tmp").isEmpty();
        } catch (UncheckedIOException e) {
            return false; // the folder changed while it was read
        }
    }

    @Test
    void twoAtOnce_bothSucceed() throws Exception {
        Process first = converter(5).start();
        Process second = converter(5).start();
        // Each deletes what the other one has just made, so that either may find nothing to delete.
        assertThat(Stream.concat(output(first).stream(), output(second).stream()))
                .allMatch(line -> line.equals("start")
                        || line.endsWith("weights.safetensors]")
                        || line.contains("refused: " + root));
        byte[] left = Files.readAllBytes(convert(model, root).files().get(0));
        Files.delete(weights(root).get(0));
        assertThat(convert(model, root).files().get(0)).hasBinaryContent(left);
        assertThat(files(root, ".tmp")).isEmpty();
    }

    // Less than the 256 MB that are to spare, so that nothing is begun.
    @Test
    @EnabledOnOs(OS.LINUX)
    void diskWithTooLittleRoom_isNotBegunWith() throws Exception {
        List<String> lines = outputOn("size=64m");
        assertThat(lines)
                .hasSize(2)
                .last()
                .asString()
                .matches("refused: [0-9.]+ MB are needed on its disk, but only (6[0-9]|5[0-9])\\.[0-9] MB are free");
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void folderThatCannotBeWritten_isRefused() throws Exception {
        List<String> lines = outputOn("ro");
        assertThat(lines).hasSize(2).last().asString().startsWith("refused: " + root);
        assertThat(lines.get(1)).contains("Read-only file system");
    }

    /** Converts where the folder is a file system of its own, which only the converter sees. Root writes to folders in spite of their modes. */
    private List<String> outputOn(String options) throws Exception {
        Files.createDirectories(root);
        String mount = "mount -t tmpfs -o %s none '%s' && exec \"$@\"".formatted(options, root);
        List<String> inOwnNamespace = List.of("unshare", "-rm", "sh", "-c");
        assumeTrue(succeeds(inOwnNamespace, "mount -t tmpfs none '" + root + "'"), "mounting is allowed");
        ProcessBuilder converter = converter(1);
        converter.command().addAll(0, inOwnNamespace);
        converter.command().addAll(inOwnNamespace.size(), List.of(mount, "sh"));
        List<String> lines = output(converter.start());
        assertThat(files(root, "")).as("the file system was another one").containsExactly(root);
        return lines;
    }

    private static boolean succeeds(List<String> command, String argument) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(
                            Stream.concat(command.stream(), Stream.of(argument)).toList())
                    .start();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    // The limit on the size of a file fails the same call as a full disk, which needs no special file system.
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void writeThatFails_leavesNothing() throws Exception {
        ProcessBuilder limited = converter(1);
        limited.command().addAll(0, List.of("sh", "-c", "ulimit -f 2000; exec \"$@\"", "sh"));
        List<String> lines = output(limited.start());
        assertThat(lines).hasSize(2).last().asString().startsWith("refused: ");
        assertThat(weights(root)).isEmpty();
        assertThat(files(root, ".tmp")).isEmpty();
    }
}
