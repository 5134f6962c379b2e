package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps the Markdown pages free of links that lead nowhere, decisions without a number, and words that the field does not use. */
final class DocumentationTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern FENCE = Pattern.compile("(?ms)^ *```.*?^ *```[^\\n]*$");
    private static final Pattern CODE = Pattern.compile("`[^`\\n]*+`");
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} +(.+?)\\s*$");
    private static final Pattern DECISION = Pattern.compile("\\bADR (\\d+)");

    /** What not to write, and the field's word for it. */
    private static final Map<Pattern, String> WORDS = Map.of(
            Pattern.compile("(?i)\\bgraphics cards?\\b|\\b(?<!model )(?<!bank )cards?\\b"), "GPU",
            Pattern.compile("(?i)\\bput down\\b"), "record, write",
            Pattern.compile("(?i)\\bpage-locked memory\\b(?! \\(pinned\\))"), "pinned memory",
            Pattern.compile("(?i)\\bturned rows\\b"), "rotated rows",
            Pattern.compile("(?i)\\bmade anew\\b"), "rebuilt",
            Pattern.compile("(?i)\\bthat do not show\\b"), "without visible loss");

    @Test
    void linksLeadSomewhere() throws IOException {
        List<String> broken = new ArrayList<>();
        int links = 0;
        for (Path page : pages()) {
            for (MatchResult link : LINK.matcher(prose(page)).results().toList()) {
                String target = link.group(1);
                if (target.matches("[a-z]+:.*")) continue;
                links++;
                if (!leadsSomewhere(page, target)) broken.add(ROOT.relativize(page) + ": " + target);
            }
        }
        assertThat(links).isGreaterThan(100);
        assertThat(broken).as("links to files or headings that do not exist").isEmpty();
    }

    @Test
    void decisionsAreNumberedWithoutGapsAndNamedByTheirNumbers() throws IOException {
        Map<Integer, Path> decisions = new HashMap<>();
        try (Stream<Path> files = Files.list(ROOT.resolve("docs/adr"))) {
            for (Path file : files.sorted().toList()) {
                int number = Integer.parseInt(file.getFileName().toString().substring(0, 4));
                assertThat(decisions.put(number, file))
                        .as("decisions of number " + number)
                        .isNull();
            }
        }
        for (int number = 1; number <= decisions.size(); number++)
            assertThat(decisions).containsKey(number);
        for (Path page : pages()) {
            for (MatchResult named : DECISION.matcher(prose(page)).results().toList()) {
                assertThat(decisions).as("named in " + page).containsKey(Integer.parseInt(named.group(1)));
            }
        }
    }

    @Test
    void wordsAreTheFieldsOwn() throws IOException {
        List<String> found = new ArrayList<>();
        for (Path page : pages()) {
            String text = CODE.matcher(prose(page)).replaceAll("");
            WORDS.forEach((pattern, better) -> pattern.matcher(text)
                    .results()
                    .forEach(word -> found.add(ROOT.relativize(page) + ": \"" + word.group() + "\", write " + better)));
        }
        assertThat(found).isEmpty();
    }

    private static boolean leadsSomewhere(Path page, String target) throws IOException {
        String[] parts = target.split("#", 2);
        Path file =
                parts[0].isEmpty() ? page : page.getParent().resolve(parts[0]).normalize();
        if (!Files.exists(file)) return false;
        return parts.length == 1
                || !file.toString().endsWith(".md")
                || anchors(file).contains(parts[1]);
    }

    /** Anchors of a page's headings, as GitHub makes them. */
    private static Set<String> anchors(Path page) throws IOException {
        Set<String> anchors = new HashSet<>();
        Map<String, Integer> seen = new HashMap<>();
        for (MatchResult heading : HEADING.matcher(prose(page)).results().toList()) {
            String text = LINK.matcher(heading.group(1)).replaceAll("]");
            String anchor = text.toLowerCase(Locale.ROOT)
                    .replaceAll("[^\\p{L}\\p{N}\\p{M} _-]", "")
                    .replace(' ', '-');
            int count = seen.merge(anchor, 1, Integer::sum);
            anchors.add(count == 1 ? anchor : anchor + "-" + (count - 1));
        }
        return anchors;
    }

    private static String prose(Path page) throws IOException {
        return FENCE.matcher(Files.readString(page)).replaceAll("");
    }

    private static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>();
        try (Stream<Path> files = Files.walk(ROOT)) {
            files.filter(file -> file.toString().endsWith(".md"))
                    .filter(file ->
                            !ROOT.relativize(file).toString().matches("(.*/)?(target|\\.git|node_modules|shared)/.*"))
                    .forEach(pages::add);
        }
        assertThat(pages).hasSizeGreaterThan(20);
        return pages;
    }
}
