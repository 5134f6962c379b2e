package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps the arrows between packages one way, as docs/architecture.md draws them. */
final class ArchitectureTest {
    private static final Path SOURCES = Path.of("src/main/java/io/github/zimage");
    private static final Pattern INTERNAL = Pattern.compile("io\\.github\\.zimage\\.internal\\.(\\w+)");

    /** The internal packages from top to bottom. Each may use only those of lower rows. */
    private static final List<Set<String>> LAYERS = List.of(
            Set.of("pipeline"),
            Set.of("generation"),
            Set.of("engine"),
            Set.of("transformer", "text", "vae", "upscale"),
            Set.of("device"),
            Set.of("nn"),
            Set.of("schedule"),
            Set.of("placement"),
            Set.of("tuning"),
            Set.of("conversion"),
            Set.of("lora"),
            Set.of("singlefile"),
            Set.of("gguf"),
            Set.of("quantized"),
            Set.of("weights"),
            Set.of("config"),
            Set.of("torchfile"),
            Set.of("safetensors"),
            Set.of("numbers"),
            Set.of("hub"),
            Set.of("image", "events", "runtime", "request"),
            Set.of("natives"),
            Set.of("io"),
            Set.of("system"));

    /** What files are read by. */
    private static final List<String> FILES = List.of(
            "tuning",
            "conversion",
            "lora",
            "singlefile",
            "gguf",
            "quantized",
            "weights",
            "config",
            "torchfile",
            "safetensors",
            "numbers",
            "io",
            "system");

    @Test
    void internalPackages_useOnlyWhatLiesBelow() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (Path source : sources(SOURCES.resolve("internal"))) {
            String name =
                    SOURCES.resolve("internal").relativize(source).getName(0).toString();
            assertThat(layer(name)).as("the layer of the new package %s", name).isNotNegative();
            String text = Files.readString(source);
            Matcher matcher = INTERNAL.matcher(text);
            while (matcher.find()) {
                String used = matcher.group(1);
                if (!used.equals(name) && layer(used) <= layer(name)) {
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

    // LibTorch is the library's affair; only who computes attention himself meets it (docs/adr/0016).
    @Test
    void onlyAttentionBackends_showLibTorchToUsers() throws IOException {
        Pattern shown =
                Pattern.compile("^ *(?:public|protected) [^=;{]*\\b(?:Tensor|Pointer|Scalar)\\b", Pattern.MULTILINE);
        assertThat(shown.matcher("    public Tensor attend(Tensor query) {").find())
                .isTrue();
        for (String room : List.of("", "hub", "prompt", "tuning", "upscale")) {
            try (Stream<Path> files = Files.list(SOURCES.resolve(room))) {
                List<Path> sources =
                        files.filter(file -> file.toString().endsWith(".java")).toList();
                assertThat(sources).isNotEmpty();
                for (Path source : sources) {
                    assertThat(shown.matcher(Files.readString(source)).find())
                            .as("%s", source)
                            .isFalse();
                }
            }
        }
    }

    // What a reader of the API's first page has to sort out. Who adds one says here how many there are then.
    @Test
    void rootPackage_hasFewPublicTypes() throws IOException {
        Pattern declared = Pattern.compile(
                "^public (?:final |abstract |sealed |non-sealed )*(?:class|interface|record|enum) ", Pattern.MULTILINE);
        long count = 0;
        try (Stream<Path> files = Files.list(SOURCES)) {
            for (Path source :
                    files.filter(file -> file.toString().endsWith(".java")).toList()) {
                count += declared.matcher(Files.readString(source)).results().count();
            }
        }
        assertThat(count).isBetween(20L, 29L);
    }

    // Reading configurations and planning memory must work where LibTorch does not.
    @Test
    void onlyWeightStore_bringsLibTorchIntoFiles() throws IOException {
        for (String room : FILES) {
            for (Path source : sources(SOURCES.resolve("internal/" + room))) {
                if (!source.endsWith("WeightStore.java")) {
                    assertThat(Files.readString(source)).as("%s", source).doesNotContain("org.bytedeco");
                }
            }
        }
    }

    // Who needs more of a source of weights than its interface says cannot be given weights from elsewhere.
    @Test
    void noClass_asksWhichSourceItsWeightsComeFrom() throws IOException {
        Pattern question = Pattern.compile("instanceof (WeightStore|SlotWeights|FileData|RowData)\\b");
        for (Path module : List.of(SOURCES, Path.of("../zimage-cuda/src/main/java/io/github/zimage"))) {
            for (Path source : sources(module)) {
                assertThat(question.matcher(Files.readString(source)).find())
                        .as("%s", source)
                        .isFalse();
            }
        }
    }

    // A room that holds much more than the others is none.
    @Test
    void noInternalPackage_holdsMoreThanASixthOfTheLines() throws IOException {
        Map<String, Integer> lines = new TreeMap<>();
        for (Path source : sources(SOURCES.resolve("internal"))) {
            String name =
                    SOURCES.resolve("internal").relativize(source).getName(0).toString();
            lines.merge(name, Files.readAllLines(source).size(), Integer::sum);
        }
        int all = lines.values().stream().mapToInt(Integer::intValue).sum();
        assertThat(lines)
                .allSatisfy((name, count) ->
                        assertThat(count).as("lines of %s, of %s", name, all).isLessThanOrEqualTo(all * 16 / 100));
    }

    private static int layer(String packageName) {
        for (int i = 0; i < LAYERS.size(); i++) {
            if (LAYERS.get(i).contains(packageName)) {
                return i;
            }
        }
        return -1;
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
