package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Protects that the kernels that are launched are those whose source can be read and was tried: runs the scripts in {@code kernels} with the
 * Python that the system property {@code zimage.python} or the environment variable {@code ZIMAGE_PYTHON} names, else {@code python3} if that has
 * what they need. Where one is named and has not, these tests fail.
 */
final class KernelSourceTest {
    private static final long LIMIT_SECONDS = 600;

    @TempDir
    private static Path folder;

    private static String python;

    @BeforeAll
    static void findPython() throws IOException, InterruptedException {
        String named = System.getProperty("zimage.python", System.getenv().getOrDefault("ZIMAGE_PYTHON", ""));
        python = named.isEmpty() ? "python3" : named;
        String wanted;
        try (InputStream manifest = KernelManifest.class.getResourceAsStream("kernels/manifest.json")) {
            wanted = new JsonMapper().readTree(manifest).get("triton").asText();
        }
        Run run;
        try {
            run = run(
                    "-c",
                    "import torch, triton; assert triton.__version__ == '%s', triton.__version__".formatted(wanted));
        } catch (IOException e) {
            run = new Run(-1, String.valueOf(e.getMessage()));
        }
        String problem =
                "%s has not torch and triton %s, which compile the kernels and try them; name one that has in ZIMAGE_PYTHON (%s)"
                        .formatted(python, wanted, run.output().strip().lines().reduce("", (before, line) -> line));
        if (!named.isEmpty()) {
            assertThat(run.exit()).as(problem).isZero();
        }
        assumeTrue(run.exit() == 0, problem);
    }

    private record Run(int exit, String output) {}

    private static Run run(String... args) throws IOException, InterruptedException {
        Path log = Files.createTempFile(folder, "python", ".txt");
        List<String> command = new ArrayList<>(List.of(python));
        command.addAll(Arrays.asList(args));
        Process process = new ProcessBuilder(command)
                .directory(Path.of("kernels").toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS))
                    .as("ended in time")
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return new Run(process.exitValue(), Files.readString(log, StandardCharsets.UTF_8));
    }

    private static void assertGood(Run run, String said) {
        assertThat(run.output()).contains(said);
        assertThat(run.exit()).as(run.output()).isZero();
    }

    @Test
    void committedKernels_areWhatTheSourceGives() throws IOException, InterruptedException {
        assertGood(run("build.py", "--check"), "files are what the source gives");
    }

    @Test
    void committedKernels_canBeAssembledForEveryCard() throws IOException, InterruptedException {
        assertGood(run("build.py", "--assemble"), "were assembled");
    }

    @Test
    void source_computesWhatLibTorchDoes() throws IOException, InterruptedException {
        assertGood(run("test_kernels.py"), "OK");
    }
}
