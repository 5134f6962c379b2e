package io.github.zimage.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ImageParameters;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the programs that readers copy, and keeps docs/examples.md equal to them. */
final class ExamplesTest {
    private static final Path PAGE = Path.of("../docs/examples.md");
    private static final Path SOURCES = Path.of("src/examples/java/io/github/zimage/examples");

    /** A line that names a source of this repository, and the block of code behind it. */
    private static final Pattern INCLUSION =
            Pattern.compile("(?m)^\\[[^\\]]*\\]\\(\\.\\./([^)]+\\.java)\\)\\n\\n```java\\n(.*?)^```$", Pattern.DOTALL);

    @Test
    void firstPictureIsSavedWithItsSeed(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("first.png");
        assertThat(printed(() -> FirstPicture.main(new String[] {file.toString()})))
                .contains("seed 1");
        assertThat(ImageParameters.read(file).orElseThrow().prompt()).isEqualTo("a fox on a yellow background");
    }

    @Test
    void manyPicturesAreTwelveFiles(@TempDir Path folder) throws Exception {
        ManyPictures.main(new String[] {folder.toString()});
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .hasSize(12)
                    .contains("prompt-1-seed-1.png", "prompt-3-seed-4.png");
        }
    }

    @Test
    void previewsComeBeforeTheRequestIsCancelled() throws Exception {
        assertThat(printed(() -> PreviewAndCancel.main(new String[0])))
                .contains("step 1: ")
                .contains("cancelled")
                .doesNotContain("step 200");
    }

    @Test
    void lowMemoryPlansWithinItsBudgetAndMeasures() throws Exception {
        assertThat(printed(() -> LowMemory.main(new String[] {"1g"})))
                .contains("at most 1.00 GiB")
                .contains("measured: ");
    }

    @Test
    void severalDevicesShareTheirPictures() throws Exception {
        assertThat(printed(() -> SeveralDevices.main(new String[] {"cpu"})).lines())
                .hasSize(2);
    }

    @Test
    void picturesStartFromAPicture() throws Exception {
        assertThat(printed(() -> PictureToPicture.main(new String[0]))).contains("128 x 128, 128 x 128");
    }

    @Test
    void ownAttentionComputes() throws Exception {
        assertThat(printed(() -> OwnAttention.main(new String[0]))).contains("computed by example");
    }

    /** Run with {@code -Dexamples.write=true} to bring the page up to date. */
    @Test
    void pageShowsTheSourcesAsTheyAre() throws IOException {
        String page = Files.readString(PAGE);
        List<String> shown = new ArrayList<>();
        String expected = INCLUSION.matcher(page).replaceAll(block -> {
            shown.add(Path.of(block.group(1)).getFileName().toString());
            String opening = block.group().substring(0, block.start(2) - block.start());
            return Matcher.quoteReplacement(opening + source(Path.of("..", block.group(1))) + "```");
        });
        if (Boolean.getBoolean("examples.write")) {
            Files.writeString(PAGE, expected);
        }
        assertThat(page).isEqualTo(expected);
        try (Stream<Path> sources = Files.list(SOURCES)) {
            assertThat(shown)
                    .containsExactlyInAnyOrderElementsOf(
                            sources.map(file -> file.getFileName().toString())
                                    .filter(name -> !name.equals("package-info.java"))
                                    .toList());
        }
    }

    /** The source without its package, and behind its imports. */
    private static String source(Path file) {
        try {
            return Files.readString(file).replaceFirst("^package [^\\n]+\\n\\n", "");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private interface Program {
        void run() throws Exception;
    }

    private static String printed(Program program) throws Exception {
        PrintStream before = System.out;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            program.run();
        } finally {
            System.setOut(before);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
