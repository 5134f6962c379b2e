package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that what is read again, and what is said, grows with the length of a text and no faster, for characters of every class that Unicode
 * has, alone and among the words that the rules look for. What expressions do with a text is counted elsewhere.
 * The goal of 50 ms for any 8000 characters is one of calls that find the rules read and compiled: the first call of a process reads them, and the
 * dictionaries, and takes up to a second.
 */
class LinearWorkTest {
    /** Fixes are read again until they have read so much, however short the prompt was. */
    private static final long READ_FOR_FIXES = 24_000;

    private static final int SHORT = 4_000;
    private static final int LONG = 4 * SHORT;

    private static final String[] WORDS = {
        "very ",
        "很",
        "masterpiece, ",
        "8k ",
        "，",
        ",",
        "(",
        ":1.2)",
        "[",
        "{a|",
        "<lora:a:1>",
        " --ar 1 ",
        " BREAK ",
        " // ",
        "\"",
        "“",
        "写着",
        "says a ",
        "no text ",
        "midnight ",
        "正午",
        "三只",
        "猫",
        "two ",
        "cats ",
        "Ａ",
        "一座山"
    };

    /** Counts what is read, and says nothing. */
    private static final class CountingAnalyzer implements ChineseAnalyzer {
        private long characters;

        @Override
        public List<String> words(String text) {
            characters += text.length();
            return List.of(text);
        }

        @Override
        public List<LintFinding> check(String text) {
            characters += text.length();
            return List.of();
        }
    }

    /** Up to 400 characters of each of Unicode's classes. */
    static List<int[]> classes() {
        Random random = new Random(1);
        Map<Integer, List<Integer>> byType = new TreeMap<>();
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            byType.computeIfAbsent(Character.getType(c), type -> new ArrayList<>())
                    .add(c);
        }
        assertThat(byType).hasSizeGreaterThanOrEqualTo(29);
        return byType.values().stream()
                .map(all -> IntStream.range(0, Math.min(400, all.size()))
                        .map(i -> all.get(all.size() <= 400 ? i : random.nextInt(all.size())))
                        .toArray())
                .collect(Collectors.toList());
    }

    private static String text(int[] characters, int words, int length, long seed) {
        Random random = new Random(seed);
        StringBuilder text = new StringBuilder("中");
        while (text.length() < length) {
            if (random.nextInt(100) < words) {
                text.append(WORDS[random.nextInt(WORDS.length)]);
            } else {
                String one = Character.toString(characters[random.nextInt(characters.length)]);
                text.append(random.nextInt(20) == 0 ? one.repeat(100) : one);
            }
        }
        return text.substring(0, length);
    }

    private record Work(long read, long findings, long said) {
        static Work of(String text) {
            CountingAnalyzer analyzer = new CountingAnalyzer();
            PromptLint lint = PromptLinter.builder().chinese(analyzer).build().lint(text);
            long said = lint.fixed().length();
            for (LintFinding finding : lint.findings()) {
                for (String argument : finding.arguments()) {
                    said += argument.length();
                }
            }
            return new Work(analyzer.characters, lint.findings().size(), said);
        }

        void requireAtMostFor(int length, String text) {
            assertThat(read).as("read of '%.40s…'", text).isLessThanOrEqualTo(READ_FOR_FIXES + 3L * length);
            // A finding has a place of its own; what it says is that place and a few words.
            assertThat(findings).as("findings in '%.40s…'", text).isLessThanOrEqualTo(length);
            assertThat(said).as("said of '%.40s…'", text).isLessThanOrEqualTo(8L * length);
        }
    }

    @ParameterizedTest
    @MethodSource("classes")
    void lint_readsAndSaysInProportion(int[] characters) {
        for (int words : new int[] {0, 30}) {
            for (int length : new int[] {SHORT, LONG}) {
                String text = text(characters, words, length, characters[0] + words);
                Work.of(text).requireAtMostFor(length, text);
            }
        }
    }

    // One repeated word is what rules that look at pairs of findings suffer from.
    @Test
    void runsOfAWord_areSaidInProportion() {
        for (String word : WORDS) {
            for (int length : new int[] {SHORT, LONG}) {
                String text = "中" + word.repeat(length / word.length());
                Work.of(text).requireAtMostFor(text.length(), text);
            }
        }
    }

    /** The counter must count: what reads each beginning of a text does not pass. */
    @Test
    void quadraticReading_isNoticed() {
        CountingAnalyzer analyzer = new CountingAnalyzer();
        String text = text(new int[] {'中'}, 0, 1000, 1);
        for (int i = 0; i < text.length(); i++) {
            analyzer.check(text.substring(i));
        }
        assertThat(analyzer.characters).isGreaterThan(READ_FOR_FIXES + 3L * text.length());
    }

    @ParameterizedTest
    @MethodSource("classes")
    void advice_readsOnce(int[] characters) {
        String text = text(characters, 20, LONG, 7);
        CountingAnalyzer analyzer = new CountingAnalyzer();
        assertThat(SizeAdvisor.with(analyzer).advise(text).pixels()).isBetween(768, 1280);
        assertThat(analyzer.characters).isLessThanOrEqualTo(text.length());
        StepAdvisor.Advice advice = StepAdvisor.advise(text);
        assertThat(advice.subjects() + advice.relations() + advice.texts()).isLessThanOrEqualTo(text.length());
        BilingualPrompt.parse(text)
                .ifPresent(halves -> assertThat(halves.toString().length()).isLessThanOrEqualTo(text.length() + 2));
    }

    @ParameterizedTest
    @MethodSource("classes")
    void templates_areReadAndFilledOrRefused(int[] characters) {
        String text = text(characters, 20, LONG, 9);
        String part = text.replaceAll("[|\n\r{}]", "") + "x";
        PromptTemplate template = PromptTemplate.parse("{subject} {subject} | " + part + " | {place} | style");
        assertThat(template.placeholders()).containsExactly("place", "subject");
        PromptTemplate filled = template.fill(Map.of("subject", part, "place", part));
        assertThat(filled.prompt()).hasSizeLessThanOrEqualTo(4 * part.length() + 20);
        // Five times as much is more than a template may have, and is refused before any of it is joined.
        assertThatCode(() -> filled.fill(Map.of("subject", part)))
                .isInstanceOf(IllegalArgumentException.class)
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300));
    }

    @ParameterizedTest
    @ValueSource(strings = {"|", "{a}", "{a_", "a|", "| {b} "})
    void templatesOfManyParts_areReadOrRefused(String piece) {
        String text = "x" + piece.repeat(PromptLinter.MAX_CHARACTERS / 4 / piece.length());
        PromptTemplate template = PromptTemplate.parse(text);
        assertThat(template.details()).hasSizeLessThanOrEqualTo(text.length());
        assertThat(PromptTemplate.parse(template.toString())).isEqualTo(template);
    }
}
