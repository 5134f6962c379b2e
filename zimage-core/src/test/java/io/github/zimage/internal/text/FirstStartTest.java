package io.github.zimage.internal.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The real libraries, on a machine where none have been unpacked. */
@EnabledOnOs(OS.LINUX)
@Timeout(240)
final class FirstStartTest {
    private static final long LIMIT_SECONDS = 200;

    @TempDir
    private Path temporary;

    private record Started(Process process, Path log) {
        void assertLoaded() throws IOException, InterruptedException {
            try {
                assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS))
                        .as("ended in time")
                        .isTrue();
            } finally {
                process.destroyForcibly();
            }
            assertThat(Files.readString(log, StandardCharsets.UTF_8)).endsWith("sum 6.0\n");
            assertThat(process.exitValue()).isZero();
        }
    }

    /** Starts a process of a user whom the system does not know, whose home is {@code ?} for Java. */
    private Started start(Path home, Path folder) throws IOException {
        Path log = Files.createTempFile(temporary, "log", ".txt");
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:ErrorFile=" + temporary.resolve("hs%p.log"),
                        "-Duser.home=?",
                        "-cp",
                        System.getProperty("java.class.path"),
                        LoadNatives.class.getName())
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment()
                .keySet()
                .removeAll(List.of("ZIMAGE_NATIVES", "XDG_CACHE_HOME", "DJL_CACHE_DIR", "RUST_LIBRARY_PATH"));
        builder.environment().put("HOME", home.toString());
        return new Started(builder.start(), log);
    }

    private static List<Path> libraries(Path home) throws IOException {
        try (Stream<Path> all = Files.walk(home.resolve(".cache/zimage/natives"))) {
            return all.filter(path -> Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS))
                    .filter(path -> path.toString().contains(".so"))
                    .toList();
        }
    }

    @Test
    void twoAtOnce_andOneAfterDamage() throws IOException, InterruptedException {
        Path home = Files.createDirectory(temporary.resolve("home"));
        Path folder = Files.createDirectory(temporary.resolve("working"));
        List<Started> started = new ArrayList<>(List.of(start(home, folder), start(home, folder)));
        for (Started each : started) {
            each.assertLoaded();
        }
        assertThat(folder).isEmptyDirectory();
        List<Path> libraries = libraries(home);
        assertThat(libraries)
                .extracting(path -> path.getFileName().toString())
                .contains("libtorch_cpu.so", "libopenblas.so.0", "libtokenizers.so", "libjnidispatch.so");
        for (Path library : libraries) {
            // Those that JavaCPP, DJL or JNA unpacked would have the mode that the umask gives.
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(library)))
                    .as(library.toString())
                    .isEqualTo("rw-------");
        }

        Path torch = libraries.stream()
                .filter(path -> path.endsWith("libtorch_cpu.so"))
                .findFirst()
                .orElseThrow();
        try (RandomAccessFile file = new RandomAccessFile(torch.toFile(), "rw")) {
            file.setLength(file.length() / 2);
        }
        start(home, folder).assertLoaded();
        assertThat(libraries(home)).hasSameSizeAs(libraries);
    }
}
