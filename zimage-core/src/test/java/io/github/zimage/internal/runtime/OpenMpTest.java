package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.zimage.internal.system.AllowedProcessors;
import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** LibTorch's runtime reads the environment while it is loaded: what it then says it has read is what counts. Each is a process. */
@EnabledOnOs(OS.LINUX)
final class OpenMpTest {
    /** Loads LibTorch and computes. */
    static final class Program {
        public static void main(String[] args) {
            NativeRuntime.load();
            System.out.println(
                    "sum " + torch.ones(100_000).sum().item_double() + " threads " + NativeRuntime.threads());
        }
    }

    /** Parks a team and lets it go, and prints how many threads the process has before, meanwhile and after. */
    static final class Parking {
        public static void main(String[] args) throws InterruptedException {
            NativeRuntime.load();
            int before = threads();
            ParkedTeam team = new ParkedTeam(5);
            team.park();
            int most = before;
            for (int i = 0; i < 300 && most < before + 5; i++) {
                Thread.sleep(100);
                most = Math.max(most, threads());
            }
            team.release();
            int after = most;
            for (int i = 0; i < 300 && after > most - 5; i++) {
                Thread.sleep(100);
                after = threads();
            }
            System.out.println("sum 100000.0, more " + (most >= before + 5) + ", fewer " + (after <= most - 5));
        }

        private static int threads() {
            return Integer.parseInt(SystemFiles.ofThisMachine().value("proc/self/status", "Threads"));
        }
    }

    // Else each busy spell would leave threads behind.
    @Test
    void parkedThreads_endWithTheirTeam() throws IOException, InterruptedException {
        assertThat(run(Parking.class, Map.of())).contains("more true, fewer true");
    }

    private static String run(Map<String, String> environment) throws IOException, InterruptedException {
        return run(Program.class, environment);
    }

    private static String run(Class<?> program, Map<String, String> environment)
            throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                System.getProperty("java.class.path"),
                program.getName());
        builder.environment().keySet().removeIf(name -> name.startsWith("OMP_") || name.startsWith("GOMP_"));
        builder.environment().putAll(environment);
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        assertThat(output).contains("sum 100000.0");
        return output;
    }

    private static String runtimeSays(String name, String value) throws IOException, InterruptedException {
        Map<String, String> environment = new HashMap<>(Map.of("OMP_DISPLAY_ENV", "verbose"));
        environment.put(name, value);
        return run(environment);
    }

    @Test
    void runtime_spinsAsBrieflyAsItIsTold() throws IOException, InterruptedException {
        assertThat(runtimeSays("LANG", "C")).contains("GOMP_SPINCOUNT = '" + OpenMpSettings.SPIN_COUNT + "'");
    }

    @Test
    void userWhoSetsIt_wins() throws IOException, InterruptedException {
        assertThat(runtimeSays("GOMP_SPINCOUNT", "77")).contains("GOMP_SPINCOUNT = '77'");
        assertThat(runtimeSays("OMP_WAIT_POLICY", "passive")).contains("GOMP_SPINCOUNT = '0'");
        assertThat(runtimeSays("OMP_NUM_THREADS", "3")).contains("threads 3");
    }

    // The runtime would give fewer than LibTorch asks for, and oneDNN leaves undone what those would have done that are
    // missing: embeddings
    // were not finite. So the limit is kept by asking for no more.
    @Test
    void limitOfThreads_isKept_byComputingWithNoMore() throws IOException, InterruptedException {
        Map<String, String> limited = Map.of("OMP_THREAD_LIMIT", "2", "OMP_NUM_THREADS", "3", "OMP_DYNAMIC", "true");
        assertThat(run(limited)).contains("threads 2");
        assertThat(runtimeSays("OMP_THREAD_LIMIT", "1"))
                .contains("threads 1", "OMP_DYNAMIC = 'FALSE'")
                .doesNotContain("OMP_THREAD_LIMIT = '1'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"})
    void waysToWaitThatAreNone_countAsNotSet(String name) throws IOException, InterruptedException {
        assertThat(run(Map.of(name, "abc")).lines().filter(line -> !line.startsWith("SLF4J")))
                .as("libgomp says nothing of it")
                .hasSize(1);
        assertThat(runtimeSays(name, "abc")).contains("GOMP_SPINCOUNT = '" + OpenMpSettings.SPIN_COUNT + "'");
    }

    // A thousand on two processors take a second for an operation, so they must not be there when LibTorch is loaded.
    @Test
    void farMoreThreadsThanProcessors_areNotMade() throws IOException, InterruptedException {
        assumeThat(OpenMpSettings.most(new AllowedProcessors(SystemFiles.ofThisMachine()).count()))
                .isLessThan(1000);
        String ofMachine = run(Map.of());
        assertThat(run(Map.of("OMP_NUM_THREADS", "1000"))).isEqualTo(ofMachine);
        assertThat(runtimeSays("OMP_NUM_THREADS", "1000")).doesNotContain("OMP_NUM_THREADS = '1000'");
    }

    // LibTorch prints C++ frames for some of these, and its runtime a line of its own.
    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "abc", "", "99999999999999"})
    void numberOfThreadsThatIsNone_makesNativeCodeSayNothing(String value) throws IOException, InterruptedException {
        String output = run(Map.of("OMP_NUM_THREADS", value, "MKL_NUM_THREADS", value));
        assertThat(output.lines().filter(line -> !line.startsWith("SLF4J")))
                .singleElement()
                .asString()
                .matches("sum 100000.0 threads [1-9][0-9]*");
    }
}
