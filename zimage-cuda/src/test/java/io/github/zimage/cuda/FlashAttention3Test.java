package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.internal.runtime.NativeRuntime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Protects the use of a library that is not there when this is built: what is loaded, and what it is given. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
final class FlashAttention3Test {
    @TempDir
    private Path folder;

    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    @Test
    void missingProperty_saysWhatToPass() {
        assertThatThrownBy(() -> FlashAttention3.load(null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("attention _flash_3 needs the shared library of FlashAttention 3 (flash_attn_3/_C.abi3.so):"
                        + " pass -Dzimage.flash3.path=FILE");
    }

    @Test
    void missingFile_isNamed() {
        Path missing = folder.resolve("none.so");
        assertThatThrownBy(() -> FlashAttention3.load(missing.toString()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("zimage.flash3.path is not a file: " + missing);
    }

    @Test
    void fileThatIsNoLibrary_isNamed_withTheCause() throws IOException {
        Path text = Files.writeString(folder.resolve("text.so"), "no library");
        assertThatThrownBy(() -> FlashAttention3.load(text.toString()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(
                        text + " could not be loaded as FlashAttention 3 for LibTorch 2.10 and CUDA 13: ")
                .hasCauseInstanceOf(UnsatisfiedLinkError.class);
    }

    /** Compiles a library against LibTorch, which is loaded already. */
    private Path compile(Path source) throws IOException, InterruptedException {
        Path library = folder.resolve("lib.so");
        Path libtorch = Path.of(Loader.load(torch.class)).resolveSibling("libtorch_cpu.so");
        Compiler.library(library, source, libtorch);
        return library;
    }

    /** Comes first, since an operator stays when it has been registered. */
    @Test
    @Order(1)
    @EnabledOnOs(OS.LINUX)
    void libraryWithoutTheOperator_isRefused() throws IOException, InterruptedException {
        Path library = compile(Files.writeString(folder.resolve("empty.cpp"), ""));
        assertThatThrownBy(() -> FlashAttention3.load(library.toString()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Could not find schema for flash_attn_3::fwd");
    }

    @Test
    @Order(2)
    @EnabledOnOs(OS.LINUX)
    void operator_getsItsArgumentsByName_andDefaultsForTheRest() throws IOException, InterruptedException {
        FlashAttention3 attention = FlashAttention3.load(
                compile(Path.of("src/test/native/flash_attn_3.cpp")).toString());
        try (PointerScope scope = new PointerScope()) {
            Tensor query = torch.randn(5, 2, 8).transpose(0, 1); // [H, S, D] over [S, H, D]
            Tensor key = torch.randn(5, 2, 8).transpose(0, 1);
            Tensor value = torch.randn(5, 2, 8).transpose(0, 1);
            for (boolean causal : new boolean[] {false, true}) {
                Tensor expected = CudaAttention.MATH.attend(query, key, value, causal);
                Tensor actual = attention.attend(query, key, value, causal);
                assertThat(actual.sizes().vec().get()).containsExactly(2, 5, 8);
                // The same operations in FP32, in another order.
                assertThat(actual.sub(expected).abs().max().lt(new Scalar(1e-5)).item_bool())
                        .as("causal %s", causal)
                        .isTrue();
            }
        }
    }
}
