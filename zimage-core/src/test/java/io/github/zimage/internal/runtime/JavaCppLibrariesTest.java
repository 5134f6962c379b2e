package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class JavaCppLibrariesTest {
    @ParameterizedTest
    @CsvSource({
        "libc10.so, c10",
        "libgomp.so.1, gomp@.1",
        "libopenblas_nolapack.so.0, openblas_nolapack@.0",
        "libgcc_s.1.1.dylib, gcc_s@.1.1",
        "libiomp5.dylib, iomp5",
        "torch_cpu.dll, torch_cpu",
        "libjnitorch.so, jnitorch",
    })
    void namesOfJavaCpp(String file, String name) {
        assertThat(JavaCppLibraries.presetName(Path.of("/a", file))).isEqualTo(name);
    }
}
