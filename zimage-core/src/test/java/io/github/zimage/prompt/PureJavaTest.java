package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The package must be of use where there are no natives, such as in a web form. */
class PureJavaTest {
    @Test
    void thePackageImportsNothingOfTheModel() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("src/main/java/io/github/zimage/prompt"))) {
            List<String> imports =
                    files.flatMap(PureJavaTest::imports).distinct().toList();

            assertThat(imports).contains("java.util.List");
            assertThat(imports)
                    .allMatch(name -> name.startsWith("java.util.")
                            || name.startsWith("java.io.")
                            || name.startsWith("java.nio.")
                            || name.startsWith("java.text.")
                            || name.startsWith("com.fasterxml.jackson.")
                            || name.startsWith("com.google.errorprone.annotations.")
                            || name.startsWith("org.jspecify.annotations.")
                            || name.startsWith("io.github.zimage.prompt."));
        }
    }

    private static Stream<String> imports(Path file) {
        try {
            return Files.readAllLines(file).stream()
                    .filter(line -> line.startsWith("import "))
                    .map(line -> line.replaceAll("import (?:static )?|;", ""));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
