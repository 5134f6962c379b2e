package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects machines without a usable card from an aborted JVM, and their users from not learning why. */
final class CudaMachineTest {
    private static final String LINUX = "Linux amd64";

    @TempDir
    private Path root;

    private final List<String> loaded = new ArrayList<>();
    private final FakeDriver driver = new FakeDriver();

    private static final class FakeDriver implements CudaDriver {
        int error;
        int version = 13_000;
        List<Integer> capabilities = List.of(90);

        @Override
        public int initialise() {
            return error;
        }

        @Override
        public int version() {
            return version;
        }

        @Override
        public int cards() {
            return capabilities.size();
        }

        @Override
        public CudaCard card(int index) {
            return new CudaCard(index, "Card " + index, capabilities.get(index), 80L << 30);
        }

        @Override
        public String describe(int error) {
            return "error " + error;
        }
    }

    private void libraries(String folder, String... names) throws IOException {
        Path path = Files.createDirectories(root.resolve(folder));
        for (String name : names) {
            Files.writeString(path.resolve(name), "");
        }
    }

    private void all() throws IOException {
        libraries("usr/lib64", CudaLibraries.DRIVER);
        libraries("usr/local/cuda-13.0/lib64", CudaLibraries.NEEDED.toArray(new String[0]));
    }

    private CudaMachine examine(String... environment) {
        Map<String, String> variables = environment.length == 0 ? Map.of() : Map.of(environment[0], environment[1]);
        return CudaMachine.examine(
                LINUX,
                true,
                CudaLibraries.of(root, variables, new Properties()),
                file -> {
                    if (file.toString().contains("broken")) {
                        throw new UnsatisfiedLinkError("wrong ELF class");
                    }
                    loaded.add(file.getFileName().toString());
                },
                () -> driver);
    }

    @Test
    void completeMachine_loadsEachLibraryAfterThoseItNeeds() throws IOException {
        all();
        CudaMachine machine = examine();
        assertThat(machine.problem()).isNull();
        assertThat(machine.cards()).hasSize(1);
        assertThat(loaded.get(0)).isEqualTo(CudaLibraries.DRIVER);
        assertThat(loaded.subList(1, loaded.size())).isEqualTo(CudaLibraries.NEEDED);
    }

    @Test
    void otherSystems_areToldSo() {
        CudaMachine machine =
                CudaMachine.examine("Windows 11 amd64", true, new CudaLibraries(List.of()), file -> {}, () -> driver);
        assertThat(machine.problem()).contains("Linux on x86-64 only", "Windows 11 amd64");
    }

    @Test
    void noDriver_isSaid() {
        assertThat(examine().problem()).isEqualTo("there is no NVIDIA driver: libcuda.so.1 was not found");
        assertThat(loaded).isEmpty();
    }

    @Test
    void missingLibraries_areNamedWithTheFoldersLookedIn() throws IOException {
        all();
        Files.delete(root.resolve("usr/local/cuda-13.0/lib64/libcudnn.so.9"));
        CudaMachine machine = examine();
        assertThat(machine.problem())
                .isEqualTo("libraries of CUDA 13 or cuDNN 9 are missing: libcudnn.so.9 was not found");
        assertThat(machine.remedy()).contains("ZIMAGE_CUDA_PATH", root + "/usr/local/cuda-13.0/lib64");
    }

    @Test
    void namedFolder_goesFirst_alsoAsPythonEnvironment() throws IOException {
        all();
        libraries("venv/lib/python3.12/site-packages/nvidia/cu13/lib", "libcudart.so.13");
        CudaLibraries found = CudaLibraries.of(
                root, Map.of("ZIMAGE_CUDA_PATH", root.resolve("venv").toString()), new Properties());
        assertThat(found.find("libcudart.so.13"))
                .containsExactly(
                        root.resolve("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcudart.so.13"),
                        root.resolve("usr/local/cuda-13.0/lib64/libcudart.so.13"));
    }

    @Test
    void fileThatCannotBeLoaded_givesWayToTheNext() throws IOException {
        all();
        libraries("broken", "libcudart.so.13");
        assertThat(examine("ZIMAGE_CUDA_PATH", root.resolve("broken").toString())
                        .problem())
                .isNull();
    }

    @Test
    void driverWithoutCardsOrTooOld_isSaid() throws IOException {
        all();
        driver.error = CudaDriver.NO_DEVICE;
        assertThat(examine().problem()).isEqualTo("the driver finds no card");
        driver.error = 803;
        assertThat(examine().problem()).isEqualTo("the driver does not start (error 803)");
        driver.error = 0;
        driver.version = 12_080;
        assertThat(examine().problem()).isEqualTo("the driver is for CUDA 12.8 and too old");
    }

    @Test
    void cardsWithoutCode_arePassedOver() throws IOException {
        all();
        driver.capabilities = List.of(61, 70);
        assertThat(examine().problem()).contains("no code for cuda:0", "6.1", "no code for cuda:1");
        driver.capabilities = List.of(70, 86, 110, 121);
        CudaMachine machine = examine();
        assertThat(machine.cards()).extracting(CudaCard::index).containsExactly(1, 3);
        assertThat(machine.passedOver()).hasSize(2);
    }
}
