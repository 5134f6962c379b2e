package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects the users of any class path on any machine from an aborted JVM: each combination of LibTorch's builds, driver and libraries
 * of CUDA is tried in a JVM of its own. A card that can be used is the one thing that none of them has.
 */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
final class ClassPathTest {
    private static final long LIMIT_SECONDS = 180;
    private static final String NO_DRIVER = "there is no NVIDIA driver: libcuda.so.1 was not found; install driver 580";
    private static final String NO_CPU_BUILD =
            "LibTorch's build for the CPU is not there either. LibTorch could not be loaded";

    @TempDir
    private static Path folder;

    private static Path model;

    @BeforeAll
    static void writeModel() {
        model = folder.resolve("model");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
    }

    /** Where LibTorch's build for cards comes from. */
    enum Build {
        /** Files that are no libraries: none of them may be touched unless a card can be used. */
        BROKEN,
        /** The published jar, which this build does not download. */
        PUBLISHED;

        String path() throws IOException {
            if (this == PUBLISHED) {
                String presets = jars().filter(
                                jar -> Path.of(jar).getFileName().toString().matches("pytorch-[0-9.-]+\\.jar"))
                        .findFirst()
                        .orElseThrow();
                Path published = Path.of(presets.replaceFirst("\\.jar$", "-linux-x86_64-gpu.jar"));
                assumeTrue(
                        Files.exists(published),
                        () -> published + " is not in the local repository; mvn dependency:get fetches it");
                return published.toString();
            }
            Path libraries = Files.createDirectories(folder.resolve("broken/org/bytedeco/pytorch/linux-x86_64-gpu"));
            for (String name :
                    List.of("libjnitorch.so", "libtorch_cuda.so", "libtorch_cpu.so", "libtorch.so", "libc10.so")) {
                Files.writeString(libraries.resolve(name), "no library");
            }
            return folder.resolve("broken").toString();
        }
    }

    private static Stream<String> jars() {
        return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator));
    }

    private static boolean isCpuBuild(String jar) {
        String name = Path.of(jar).getFileName().toString();
        return name.startsWith("pytorch-") && name.endsWith("-linux-x86_64.jar");
    }

    /** Returns the class path of the tests, with or without LibTorch's build for the CPU. */
    static List<String> classPath(boolean cpuBuild) {
        assertThat(jars()).as("this test's own class path").anyMatch(ClassPathTest::isCpuBuild);
        return new ArrayList<>(
                jars().filter(jar -> cpuBuild || !isCpuBuild(jar)).toList());
    }

    private static void assumeNoDriver() {
        assumeTrue(
                CudaLibraries.of(Path.of("/"), Map.of(), new Properties())
                        .find(CudaLibraries.DRIVER)
                        .isEmpty(),
                "this machine has a driver, so what happens without one cannot be seen");
    }

    /** What a JVM ended with and printed. */
    private record Run(int exit, String output) {
        long warnings() {
            return output.lines().filter(line -> line.startsWith("WARN ")).count();
        }

        void assertDrawnOnCpu(String... explanation) {
            assertThat(output).contains("DRAWN 12288").contains(explanation);
            assertThat(exit).isZero();
            assertThat(warnings()).as(output).isEqualTo(1);
            assertThat(output.lines()
                            .filter(line -> line.startsWith("WARN "))
                            .findFirst()
                            .orElseThrow())
                    .contains(explanation);
        }

        void assertRefused(String... explanation) {
            assertThat(exit).as(output).isEqualTo(1); // not 134, which is an aborted JVM
            assertThat(output).doesNotContain("DRAWN").contains(explanation);
        }
    }

    private static Run draw(List<String> classPath, Path cudaFolder, String... device)
            throws IOException, InterruptedException {
        return draw(
                cudaFolder,
                List.of("-cp", String.join(File.pathSeparator, classPath), DrawOnce.class.getName()),
                device);
    }

    private static Run draw(Path cudaFolder, List<String> program, String... device)
            throws IOException, InterruptedException {
        Path log = Files.createTempFile(folder, "log", ".txt");
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx512m"));
        command.addAll(program);
        command.add(model.toString());
        command.addAll(List.of(device));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment()
                .keySet()
                .removeAll(List.of("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"));
        builder.environment().put(CudaLibraries.PATH_VARIABLE, cudaFolder.toString());
        Process process = builder.start();
        try {
            assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS))
                    .as("ended in time")
                    .isTrue();
        } finally {
            process.destroyForcibly();
        }
        return new Run(process.exitValue(), Files.readString(log, StandardCharsets.UTF_8));
    }

    private static Path nothing() throws IOException {
        return Files.createDirectories(folder.resolve("nothing"));
    }

    @Test
    void noBuildAtAll_namesWhatToAdd() throws IOException, InterruptedException {
        draw(classPath(false), nothing())
                .assertRefused("NativeLibraryException", NO_CPU_BUILD, "org.bytedeco:pytorch:");
    }

    @Test
    void buildForTheCpu_drawsWithAWarning() throws IOException, InterruptedException {
        draw(classPath(true), nothing())
                .assertDrawnOnCpu("LibTorch's build for cards is not on the class path; add org.bytedeco:pytorch:");
    }

    @ParameterizedTest
    @EnumSource
    void buildForCards_withoutDriver_saysThat(Build build) throws IOException, InterruptedException {
        assumeNoDriver();
        List<String> path = classPath(false);
        path.add(build.path());
        draw(path, nothing()).assertRefused("NativeLibraryException", NO_DRIVER, NO_CPU_BUILD);
    }

    @ParameterizedTest
    @EnumSource
    void bothBuilds_withoutDriver_drawOnTheCpu(Build build) throws IOException, InterruptedException {
        assumeNoDriver();
        List<String> path = classPath(true);
        path.add(0, build.path());
        draw(path, nothing()).assertDrawnOnCpu(NO_DRIVER);
    }

    @ParameterizedTest
    @EnumSource
    void bothBuilds_onTheModulePath_drawOnTheCpu(Build build) throws IOException, InterruptedException {
        assumeNoDriver();
        List<String> path = classPath(true);
        Path tests = Path.of("target/test-classes").toAbsolutePath();
        assertThat(path.remove(tests.toString()))
                .as("%s is on the class path", tests)
                .isTrue();
        path.removeIf(jar -> jar.contains("junit") || jar.contains("assertj")); // modules that want others
        String patch = tests.toString();
        if (build == Build.PUBLISHED) {
            path.add(build.path());
        } else {
            patch += File.pathSeparator + build.path();
        }
        String module = "io.github.zimage.cuda";
        draw(
                        nothing(),
                        List.of(
                                "--module-path=" + String.join(File.pathSeparator, path),
                                "--add-modules=ALL-MODULE-PATH",
                                "--patch-module=" + module + "=" + patch,
                                "--module=" + module + "/" + DrawOnce.class.getName()))
                .assertDrawnOnCpu(NO_DRIVER);
    }

    @Test
    void cardThatWasAskedFor_isRefusedWithTheReason() throws IOException, InterruptedException {
        assumeNoDriver();
        List<String> path = classPath(true);
        path.add(Build.BROKEN.path());
        draw(path, nothing(), "cuda:0")
                .assertRefused("IllegalArgumentException: device cuda:0 cannot be used: " + NO_DRIVER, "or use cpu");
    }

    @Test
    void driverThatIsNoLibrary_isSaid() throws IOException, InterruptedException {
        assumeNoDriver();
        Path cuda = Files.createDirectories(folder.resolve("text"));
        Files.writeString(cuda.resolve(CudaLibraries.DRIVER), "no library");
        List<String> path = classPath(true);
        path.add(0, Build.BROKEN.path());
        draw(path, cuda).assertDrawnOnCpu("libcuda.so.1 cannot be loaded", "install driver 580");
    }

    @Test
    void driverWithoutCudaLibraries_isSaid() throws IOException, InterruptedException {
        assumeNoDriver();
        assumeTrue(
                CudaLibraries.of(Path.of("/"), Map.of(), new Properties())
                        .find("libcudart.so.13")
                        .isEmpty(),
                "this machine has CUDA's libraries");
        Path cuda = driver("bare", 0, 13_000);
        List<String> path = classPath(true);
        path.add(0, Build.BROKEN.path());
        draw(path, cuda)
                .assertDrawnOnCpu(
                        "libraries of CUDA 13 or cuDNN 9 are missing: libcudart.so.13 was not found",
                        "ZIMAGE_CUDA_PATH");
    }

    @ParameterizedTest
    @EnumSource
    void driverWithoutCard_isSaid(Build build) throws IOException, InterruptedException {
        List<String> path = classPath(true);
        path.add(0, build.path());
        draw(path, withLibraries(driver("no-card", CudaDriver.NO_DEVICE, 13_000)))
                .assertDrawnOnCpu("the driver finds no card; check nvidia-smi");
    }

    @ParameterizedTest
    @EnumSource
    void driverThatIsTooOld_isSaid(Build build) throws IOException, InterruptedException {
        List<String> path = classPath(true);
        path.add(0, build.path());
        draw(path, withLibraries(driver("old", 0, 12_080)))
                .assertDrawnOnCpu("the driver is for CUDA 12.8 and too old; install driver 580");
    }

    /** Makes a driver that does no more than start. */
    private static Path driver(String name, int error, int version) throws IOException, InterruptedException {
        Path cuda = Files.createDirectories(folder.resolve(name));
        library(cuda.resolve(CudaLibraries.DRIVER), """
                int cuInit(unsigned flags) { return %d; }
                int cuDriverGetVersion(int *version) { *version = %d; return 0; }
                int cuDeviceGetCount(int *count) { *count = 1; return 0; }
                """.formatted(error, version));
        return cuda;
    }

    /** Adds libraries that have nothing in them: of CUDA only the driver is asked. */
    private static Path withLibraries(Path cuda) throws IOException, InterruptedException {
        for (String name : CudaLibraries.NEEDED) {
            library(cuda.resolve(name), "");
        }
        return cuda;
    }

    private static void library(Path file, String source) throws IOException, InterruptedException {
        Path text = Files.writeString(folder.resolve("library.c"), source);
        Compiler.library(file, text);
    }
}
