package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.bench.KernelTrace.Total;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Protects the profile of a card from records that are passed over or read as what they are not. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class KernelTraceTest {
    @TempDir
    private static Path folder;

    @BeforeAll
    static void load() throws IOException, InterruptedException {
        Path empty = Files.writeString(folder.resolve("empty.c"), "");
        library("libcuda.so.1", empty);
        library("libcudart.so.13", empty);
        library("libcupti.so.13", Path.of("src/test/native/cupti.c"));
    }

    private static void library(String name, Path source) throws IOException, InterruptedException {
        Path library = folder.resolve(name);
        Process compiler;
        try {
            compiler = new ProcessBuilder(List.of(
                            "cc",
                            "-shared",
                            "-fPIC",
                            "-Wl,-soname," + name,
                            "-o",
                            library.toString(),
                            source.toString()))
                    .inheritIO()
                    .start();
        } catch (IOException e) {
            assumeTrue(false, "there is no compiler to make a library with: " + e.getMessage());
            throw e;
        }
        assertThat(compiler.waitFor()).isZero();
        System.load(library.toString());
    }

    @Test
    void kernels_areCountedByName_eachTimeAnew() {
        for (int i = 0; i < 2; i++) {
            assertThat(KernelTrace.of(() -> {}))
                    .containsOnly(Map.entry("first", new Total(2, 34)), Map.entry("second", new Total(1, 70)));
        }
    }

    @Test
    void failure_endsTheTrace() {
        assertThatThrownBy(() -> KernelTrace.of(() -> {
                    throw new IllegalStateException("as is said");
                }))
                .hasMessage("as is said");
        assertThat(KernelTrace.of(() -> {})).hasSize(2);
    }

    @Test
    void step_isWhatTwoTakeMoreThanOne() {
        Map<String, Total> one = Map.of("decode", new Total(3, 9_000_000), "product", new Total(10, 1_000_000));
        Map<String, Total> two = Map.of(
                "decode", new Total(3, 9_100_000),
                "norm", new Total(4, 1_000_000),
                "product", new Total(20, 4_000_000));
        assertThat(KernelShares.ofOneStep(one, two))
                .extracting(line ->
                        line.get("kernel") + " " + line.get("calls") + " " + line.get("ms") + " " + line.get("share"))
                .containsExactly("product 10 3.0 0.75", "norm 4 1.0 0.25", "all 14 4.0 1.0");
    }
}
