package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The launcher in a clone of its own, with a Java that prints what it is started with. */
@DisabledOnOs(OS.WINDOWS)
final class LauncherTest {
    private static final Path SCRIPT =
            Path.of("..", "bin", "zimage").toAbsolutePath().normalize();

    @TempDir
    Path folder;

    private Path clone;
    private Path java;

    @BeforeEach
    void cloneAndJava() throws IOException {
        folder = folder.toRealPath();
        clone = Files.createDirectories(folder.resolve("a clone"));
        Files.createDirectory(clone.resolve("bin"));
        Files.copy(SCRIPT, clone.resolve("bin/zimage"));
        executable(clone.resolve("bin/zimage"));
        java = fakeJava("jdk 21", "21.0.2");
    }

    @Test
    void fromAnyFolder_throughLinks_startsTheJarWithAllArguments() throws Exception {
        Path jar = build();
        Path links = Files.createDirectories(folder.resolve("links"));
        Files.createSymbolicLink(links.resolve("second"), clone.resolve("bin/zimage"));
        Files.createSymbolicLink(links.resolve("first"), Path.of("second"));
        for (Path started : List.of(clone.resolve("bin/zimage"), links.resolve("first"))) {
            Run run = run(started, Map.of("JAVA_HOME", java.toString()), "generate", "a  fox", "", "*", "$HOME");
            assertThat(run.lines()).containsExactly("-jar", jar.toString(), "generate", "a  fox", "", "*", "$HOME");
            assertThat(run.code()).isEqualTo(7); // what the command ends with
        }
    }

    @Test
    void options_goToJava() throws Exception {
        Path jar = build();
        Map<String, String> environment =
                Map.of("JAVA_HOME", java.toString(), "ZIMAGE_JAVA_OPTS", "-Xmx2g -XX:+UseSerialGC");
        assertThat(run(clone.resolve("bin/zimage"), environment, "info").lines())
                .containsExactly("-Xmx2g", "-XX:+UseSerialGC", "-jar", jar.toString(), "info");
    }

    @Test
    void withoutJavaHome_takesTheJavaOfThePath() throws Exception {
        Path jar = build();
        String path = java.resolve("bin") + ":" + System.getenv("PATH");
        assertThat(run(clone.resolve("bin/zimage"), Map.of("PATH", path), "info")
                        .lines())
                .containsExactly("-jar", jar.toString(), "info");
    }

    @Test
    void beforeTheBuild_saysHowToBuild() throws Exception {
        Run run = run(clone.resolve("bin/zimage"), Map.of("JAVA_HOME", java.toString()));
        assertThat(run.lines())
                .containsExactly("zimage: not built yet: run 'mvn -B -q -DskipTests package' in " + clone);
        assertThat(run.code()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"1.8.0_402, true", "11.0.22, true", "16-ea, true", "17, false", "17.0.15, false", "25-ea, false"})
    void olderJava_isRefusedByItsVersion(String version, boolean refused) throws Exception {
        build();
        Path home = fakeJava("jdk", version);
        Run run = run(clone.resolve("bin/zimage"), Map.of("JAVA_HOME", home.toString()), "info");
        if (refused) {
            assertThat(run.lines())
                    .containsExactly(
                            "zimage: needs Java 17 or newer, but %s/bin/java is %s; install one, or set JAVA_HOME to its folder"
                                    .formatted(home, version));
            assertThat(run.code()).isEqualTo(1);
        } else {
            assertThat(run.lines()).contains("-jar");
        }
    }

    @Test
    void javaHomeWithoutJava_isNamed() throws Exception {
        build();
        Run run = run(clone.resolve("bin/zimage"), Map.of("JAVA_HOME", folder.toString()));
        assertThat(run.lines()).singleElement().asString().startsWith("zimage: JAVA_HOME is " + folder);
        assertThat(run.code()).isEqualTo(1);
    }

    private Path build() throws IOException {
        Path target = Files.createDirectories(clone.resolve("zimage-examples/target"));
        Files.createDirectory(target.resolve("lib"));
        return Files.createFile(target.resolve("zimage.jar"));
    }

    /** Makes a Java that prints its arguments, or its version as Java does. */
    private Path fakeJava(String name, String version) throws IOException {
        Path home = Files.createDirectories(folder.resolve(name));
        Path program = Files.createDirectory(home.resolve("bin")).resolve("java");
        Files.writeString(program, """
                #!/bin/sh
                if [ "$1" = -version ]; then echo 'openjdk version "%s" 2024-01-16' >&2; exit; fi
                for each; do printf '%%s\\n' "$each"; done
                exit 7
                """.formatted(version));
        executable(program);
        return home;
    }

    private static void executable(Path file) throws IOException {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Run run(Path script, Map<String, String> environment, String... args) throws Exception {
        List<String> line = new ArrayList<>(List.of(script.toString()));
        line.addAll(List.of(args));
        ProcessBuilder builder =
                new ProcessBuilder(line).directory(folder.toFile()).redirectErrorStream(true);
        builder.environment().keySet().removeAll(List.of("JAVA_HOME", "ZIMAGE_JAVA_OPTS"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        return new Run(process.exitValue(), List.of(output.split("\n")));
    }

    private record Run(int code, List<String> lines) {}
}
