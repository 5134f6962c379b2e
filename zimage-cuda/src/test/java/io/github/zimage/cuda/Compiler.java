package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The machine's compiler, for libraries that stand in for what this machine lacks. A test that needs it is skipped where there is none. */
final class Compiler {
    private Compiler() {}

    /**
     * Makes a shared library that is known to the system's linker by its file's name.
     *
     * @param source a file in C or, if it ends in {@code .cpp}, C++
     * @param libraries what it is linked to
     */
    static void library(Path library, Path source, Path... libraries) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                source.toString().endsWith(".cpp") ? "c++" : "cc",
                "-shared",
                "-fPIC",
                "-Wl,-soname," + library.getFileName(),
                "-o",
                library.toString(),
                source.toString()));
        for (Path each : libraries) {
            command.add(each.toString());
        }
        Process compiler;
        try {
            compiler = new ProcessBuilder(command).inheritIO().start();
        } catch (IOException e) {
            assumeTrue(false, "there is no compiler to make a library with: " + e.getMessage());
            throw e;
        }
        assertThat(compiler.waitFor()).as("%s", command).isZero();
    }
}
