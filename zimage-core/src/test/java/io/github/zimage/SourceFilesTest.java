package io.github.zimage;

import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps files one thing each: short, not in circles of two, and each job done in one place. */
final class SourceFilesTest {
    private static final int MOST_LINES = 400;

    /** Files that may be longer, and why. */
    private static final Map<String, String> LONG = Map.of(
            "GenerationRequest.java",
            "a getter and a setter, with what users have to know, for each value of a request");

    /** Two files of the core that may need each other, and why. */
    private static final Map<String, String> CIRCLES = Map.ofEntries(
            entry("GenerationRequest – RequestFields", "a request compares and shows itself by the list of its fields"),
            entry("GenerationRequest – RequestJson", "toJson and fromJson, where users look for them"),
            entry("GenerationRequest – RequestRules", "build() refuses what the rules do not let through"),
            entry("PipelineBuilder – ZImageModel", "model.pipeline() hands out the builder that takes a model"),
            entry(
                    "PipelineBuilder – ZImagePipeline",
                    "ZImagePipeline.builder() hands out what build() makes one with"));

    /** Texts, characters and comments, in which a name is no use of it. */
    private static final Pattern NO_CODE = Pattern.compile(
            "\"\"\"(?s:.*?)\"\"\"|\"(?:\\\\.|[^\"\\\\\n])*+\"|'(?:\\\\.|[^'\\\\\n])*+'|/\\*(?s:.*?)\\*/|//[^\n]*");

    private static final Pattern PACKAGE = Pattern.compile("^package ([\\w.]+);", Pattern.MULTILINE);
    private static final Pattern IMPORT = Pattern.compile("^import (?:static )?([\\w.*]+);", Pattern.MULTILINE);
    private static final Pattern WORD = Pattern.compile("\\w+");
    private static final Pattern PASSED_ON = Pattern.compile("\\b(?!super\\b)\\w+\\.(on[A-Z]\\w+)\\(");

    /**
     * What a file uses.
     *
     * @param packageName its package
     * @param type the type that the file is called after
     * @param imports what it imports, static members by their full name
     * @param words all words of its code but those of imports
     * @param code the code without imports
     */
    private record Source(String packageName, String type, Set<String> imports, Set<String> words, String code) {
        static Source of(Path file) throws IOException {
            String code = NO_CODE.matcher(Files.readString(file)).replaceAll("\"\"");
            Matcher declared = PACKAGE.matcher(code);
            assertThat(declared.find()).as("%s has a package", file).isTrue();
            Set<String> imports =
                    IMPORT.matcher(code).results().map(found -> found.group(1)).collect(Collectors.toSet());
            String rest = PACKAGE.matcher(IMPORT.matcher(code).replaceAll("")).replaceAll("");
            Set<String> words =
                    WORD.matcher(rest).results().map(MatchResult::group).collect(Collectors.toSet());
            String type = file.getFileName().toString().replace(".java", "");
            return new Source(declared.group(1), type, imports, words, rest);
        }

        String qualified() {
            return packageName + "." + type;
        }

        boolean uses(Source other) {
            String name = other.qualified();
            if (imports.stream().anyMatch(each -> each.equals(name) || each.startsWith(name + "."))
                    || (code.contains(name)
                            && Pattern.compile(Pattern.quote(name) + "\\b")
                                    .matcher(code)
                                    .find())) {
                return true;
            }
            return words.contains(other.type)
                    && (packageName.equals(other.packageName) || imports.contains(other.packageName + ".*"));
        }
    }

    // Who reads a file has to keep it in mind as a whole.
    @Test
    void mainFiles_areShort() throws IOException {
        Map<String, Integer> longer = new TreeMap<>();
        int files = 0;
        for (Path module : modules()) {
            for (Path file : sources(module.resolve("src/main/java"))) {
                files++;
                int lines = Files.readAllLines(file).size();
                if (lines > MOST_LINES && !LONG.containsKey(file.getFileName().toString())) {
                    longer.put(file.toString(), lines);
                }
            }
        }
        assertThat(files).as("files looked at").isGreaterThan(300);
        assertThat(longer).as("files of more than %s lines", MOST_LINES).isEmpty();
    }

    // Neither of two files that need each other can be understood, tested or replaced alone.
    @Test
    void filesOfTheCore_doNotNeedEachOther() throws IOException {
        List<Source> sources = new ArrayList<>();
        for (Path file : sources(Path.of("src/main/java"))) {
            if (!file.endsWith("package-info.java") && !file.endsWith("module-info.java")) {
                sources.add(Source.of(file));
            }
        }
        Set<String> circles = new TreeSet<>();
        for (Source one : sources) {
            for (Source other : sources) {
                if (one.qualified().compareTo(other.qualified()) < 0 && one.uses(other) && other.uses(one)) {
                    circles.add(Stream.of(one.type, other.type).sorted().collect(Collectors.joining(" – ")));
                }
            }
        }
        Set<String> unknown = new TreeSet<>(circles);
        unknown.removeAll(CIRCLES.keySet());
        assertThat(unknown).as("files that need each other, without a reason").isEmpty();
        assertThat(circles).as("what the list gives reasons for").containsAll(CIRCLES.keySet());
    }

    // A listener gains methods; one that passes them on by hand would swallow the new ones.
    @Test
    void listenersThatPassOn_extendTheOneThatDoes() throws IOException {
        List<String> byHand = new ArrayList<>();
        for (Path module : modules()) {
            for (Path file : sources(module.resolve("src"))) {
                String code = NO_CODE.matcher(Files.readString(file)).replaceAll("\"\"");
                long events = PASSED_ON
                        .matcher(code)
                        .results()
                        .map(found -> found.group(1))
                        .distinct()
                        .count();
                if (code.contains("GenerationListener {") && events > 4) {
                    byHand.add(file.getFileName().toString());
                }
            }
        }
        assertThat(byHand).containsExactly("ForwardingListener.java");
    }

    private static List<Path> modules() throws IOException {
        try (Stream<Path> folders = Files.list(Path.of(".."))) {
            List<Path> modules = folders.filter(folder -> Files.isDirectory(folder.resolve("src/main/java")))
                    .sorted()
                    .toList();
            assertThat(modules)
                    .extracting(module -> module.getFileName().toString())
                    .contains("zimage-core", "zimage-cuda", "zimage-demo", "zimage-examples", "zimage-bench");
            return modules;
        }
    }

    private static List<Path> sources(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".java")).toList();
        }
    }
}
