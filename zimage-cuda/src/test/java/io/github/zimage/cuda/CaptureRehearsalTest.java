package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Runs {@link CaptureRehearsal} where LibTorch's build for cards is in the local repository, in a JVM of its own each time. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
final class CaptureRehearsalTest {
    private static final long LIMIT_SECONDS = 180;

    @TempDir
    private static Path folder;

    private static List<String> classPath;

    @BeforeAll
    static void makeLibraries() throws IOException, InterruptedException {
        classPath = ClassPathTest.classPath(false);
        classPath.add(0, ClassPathTest.Build.PUBLISHED.path());
        Compiler.library(folder.resolve(CudaLibraries.DRIVER), Path.of("src/test/native/cudart.c"));
        // What LibTorch is linked to must be there; none of it is called.
        Path empty = Files.writeString(folder.resolve("empty.c"), "");
        for (String name : CudaLibraries.NEEDED) {
            Compiler.library(folder.resolve(name), empty);
        }
    }

    private static String rehearse(Map<String, String> environment, String way)
            throws IOException, InterruptedException {
        Path log = Files.createTempFile(folder, "log", ".txt");
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-cp",
                        String.join(File.pathSeparator, classPath),
                        CaptureRehearsal.class.getName(),
                        way)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        CudaDevice.ALLOCATOR_SETTINGS.forEach(builder.environment()::remove);
        builder.environment()
                .put("LD_PRELOAD", folder.resolve(CudaLibraries.DRIVER).toString());
        builder.environment().put("LD_LIBRARY_PATH", folder.toString());
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS))
                    .as("ended in time")
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return Files.readString(log);
    }

    @Test
    void recording() throws IOException, InterruptedException {
        assertThat(rehearse(Map.of(), "recording")).endsWith("rehearsed recording\n");
    }

    @Test
    void guards_restoreTheCardBefore() throws IOException, InterruptedException {
        assertThat(rehearse(Map.of(), "guards")).endsWith("rehearsed guards\n");
    }

    @Test
    void recordingThatFails() throws IOException, InterruptedException {
        assertThat(rehearse(Map.of("REHEARSAL_INVALID", "yes"), "failing")).endsWith("rehearsed failing\n");
    }

    @Test
    void recordingWithoutGaps() throws IOException, InterruptedException {
        assertThat(rehearse(Map.of(), "without-gaps")).endsWith("rehearsed without-gaps\n");
    }

    @Test
    void settingsOfTheEnvironment_stay() throws IOException, InterruptedException {
        for (String name : CudaDevice.ALLOCATOR_SETTINGS) {
            assertThat(rehearse(Map.of(name, "expandable_segments:False"), "own-settings"))
                    .as(name)
                    .endsWith("rehearsed own-settings\n");
        }
    }
}
