package io.github.zimage.internal.natives;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.io.PrivateFiles;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Processes that unpack to the same folder, some of which are killed. */
@DisabledOnOs(OS.WINDOWS)
@Timeout(120)
final class BundleFolderProcessTest {
    private static final long LIMIT_SECONDS = 60;

    @TempDir
    private static Path shared;

    @TempDir
    private Path temporary;

    private static Path jar;

    @BeforeAll
    static void makeJar() throws IOException {
        jar = Libraries.jar(shared.resolve("some-1.0.jar"), 4 << 20);
    }

    private record Started(Process process, Path log) {
        void assertWhole() throws IOException, InterruptedException {
            try {
                assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS))
                        .as("ended in time")
                        .isTrue();
            } finally {
                process.destroyForcibly();
            }
            assertThat(Files.readString(log, StandardCharsets.UTF_8)).endsWith("whole\n");
            assertThat(process.exitValue()).isZero();
        }
    }

    private Started start(Path folder) throws IOException {
        return start(folder, "exec");
    }

    /** Starts a process from a shell that runs a command first. */
    private Started start(Path folder, String shell) throws IOException {
        Path log = Files.createTempFile(shared, "log", ".txt");
        List<String> command = List.of(
                "sh",
                "-c",
                shell + " \"$@\"",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                UnpackOnce.class.getName(),
                folder.toString(),
                jar.toString());
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        return new Started(process, log);
    }

    private static List<String> leftovers(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.map(Path::toString)
                    .filter(path -> path.endsWith(".part"))
                    .toList();
        }
    }

    @Test
    void firstStartsAtOnce_areAllWhole() throws IOException, InterruptedException {
        for (int atOnce : new int[] {2, 2, 6}) {
            Path folder = Files.createTempDirectory(temporary, "natives");
            List<Started> started = new ArrayList<>();
            for (int i = 0; i < atOnce; i++) {
                started.add(start(folder));
            }
            for (Started each : started) {
                each.assertWhole();
            }
            assertThat(leftovers(folder)).isEmpty();
        }
    }

    @Test
    void killedStarts_leaveNothingThatTheNextOneTrusts() throws IOException, InterruptedException {
        Random random = new Random(7);
        Path folder = temporary.resolve("natives");
        for (int round = 0; round < 6; round++) {
            Started killed = start(folder);
            Started other = round % 3 == 2 ? start(folder) : null;
            // The JVM takes some 300 ms to come to it, and 200 ms to unpack.
            Thread.sleep(200 + random.nextInt(400));
            if (round % 2 == 0) {
                killed.process().destroyForcibly().waitFor();
            } else {
                killed.process().destroy();
                killed.process().waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            }
            if (other != null) {
                other.assertWhole();
                PrivateFiles.deleteAll(folder.resolve(Libraries.NAME).resolve("some-1.0.jar"));
            }
        }
        start(folder).assertWhole();
        assertThat(leftovers(folder)).isEmpty();
    }

    @Test
    void nobodyElseMayRead_whateverTheUmask() throws IOException, InterruptedException {
        for (String umask : new String[] {"000", "277"}) {
            Path folder = temporary.resolve("natives-" + umask);
            start(folder, "umask " + umask + " && exec").assertWhole();
            try (Stream<Path> all = Files.walk(folder)) {
                for (Path path : all.toList()) {
                    assertThat(Files.getPosixFilePermissions(path))
                            .as(path + File.pathSeparator + umask)
                            .contains(PosixFilePermission.OWNER_READ)
                            .allMatch(permission -> permission.name().startsWith("OWNER"));
                }
            }
        }
    }

    @Test
    void filesMayOnlyGrowSoFar_isRefusedAndNothingStays() throws IOException, InterruptedException {
        Path folder = temporary.resolve("natives");
        Started limited = start(folder, "ulimit -f 2000 && exec"); // blocks of 512 or 1024 bytes
        assertThat(limited.process().waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(limited.process().exitValue()).isEqualTo(1);
        assertThat(Files.readString(limited.log(), StandardCharsets.UTF_8))
                .contains("no folder for the native libraries")
                .contains(folder.toString())
                .contains("File too large")
                .contains("ZIMAGE_NATIVES");
        try (Stream<Path> all = Files.walk(folder)) {
            assertThat(all.filter(Files::isRegularFile)
                            .mapToLong(path -> path.toFile().length()))
                    .containsOnly(0L);
        }
    }
}
