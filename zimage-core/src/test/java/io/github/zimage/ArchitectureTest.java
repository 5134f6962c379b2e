package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps the arrows between packages one way, as docs/architecture.md draws them. */
final class ArchitectureTest {
    private static final Path SOURCES = Path.of("src/main/java/io/github/zimage");
    private static final Pattern INTERNAL = Pattern.compile("io\\.github\\.zimage\\.internal\\.(\\w+)");

    /** What each internal package may use of the others. */
    private static final Map<String, Set<String>> ALLOWED = Map.ofEntries(
            Map.entry(
                    "pipeline",
                    Set.of(
                            "text",
                            "transformer",
                            "vae",
                            "schedule",
                            "nn",
                            "runtime",
                            "weights",
                            "placement",
                            "device",
                            "image",
                            "events")),
            Map.entry("device", Set.of("nn", "runtime", "weights", "placement")),
            Map.entry("text", Set.of("nn", "runtime", "weights", "placement")),
            Map.entry("transformer", Set.of("nn", "runtime", "weights", "placement")),
            Map.entry("vae", Set.of("nn", "runtime", "weights", "placement")),
            Map.entry("schedule", Set.of("weights")),
            Map.entry("nn", Set.of("runtime", "weights", "placement")),
            Map.entry("placement", Set.of("runtime", "weights")),
            Map.entry("weights", Set.of("runtime", "io")),
            Map.entry("image", Set.of()),
            Map.entry("events", Set.of()),
            Map.entry("runtime", Set.of()),
            Map.entry("io", Set.of()));

    @Test
    void internalPackages_useOnlyWhatLiesBelow() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (Path source : sources(SOURCES.resolve("internal"))) {
            String name =
                    SOURCES.resolve("internal").relativize(source).getName(0).toString();
            assertThat(ALLOWED).as("a new package has a place").containsKey(name);
            String text = Files.readString(source);
            Matcher matcher = INTERNAL.matcher(text);
            while (matcher.find()) {
                String used = matcher.group(1);
                if (!used.equals(name) && !ALLOWED.get(name).contains(used)) {
                    wrong.add(name + " uses " + used + " in " + source.getFileName());
                }
            }
            if (text.contains("import io.github.zimage.ZImagePipeline;")) {
                wrong.add(name + " knows ZImagePipeline in " + source.getFileName());
            }
        }
        assertThat(wrong).isEmpty();
    }

    // Users of the library see its exported packages only; what they can call must not ask them for another.
    @Test
    void spi_knowsNothingInternal() throws IOException {
        for (Path source : sources(SOURCES.resolve("spi"))) {
            assertThat(Files.readString(source)).doesNotContain("zimage.internal");
        }
    }

    // Reading configurations and planning memory must work where LibTorch does not.
    @Test
    void onlyWeightStore_bringsLibTorchIntoWeights() throws IOException {
        for (Path source : sources(SOURCES.resolve("internal/weights"))) {
            if (!source.endsWith("WeightStore.java")) {
                assertThat(Files.readString(source)).as("%s", source).doesNotContain("org.bytedeco");
            }
        }
    }

    private static List<Path> sources(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            List<Path> sources =
                    files.filter(file -> file.toString().endsWith(".java")).toList();
            assertThat(sources).isNotEmpty();
            return sources;
        }
    }
}
