package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Whoever sends a prompt chooses how long it is read. So every expression of the package reads a text in steps that grow
 * with its length and no faster. Steps are counted, not timed: they are the same on a busy machine.
 */
class LinearPatternsTest {
    private static final int LENGTH = 3000;

    /**
     * How often an expression may look at each character. Bounded parts such as {@code .{0,60}} look some dozen times;
     * one quadratic part would look thousands of times at texts of this length.
     */
    private static final int LOOKS_PER_CHARACTER = 300;

    /** What begins, goes on and ends the expressions; a run of one of them after some of another is what makes them slow. */
    private static final List<String> PIECES = List.of(
            " ",
            "\n",
            "\t ",
            "\u3000",
            "a",
            "A",
            "1",
            "中",
            "一",
            "位",
            ",",
            ".",
            ":",
            ";",
            "!",
            "，",
            "。",
            "：",
            "、",
            "(",
            ")",
            "（",
            "）",
            "((",
            "(a",
            "(a ",
            "(a :",
            "[",
            "]",
            "[a",
            "[a:",
            "[a:b: ",
            "[a|",
            "{",
            "}",
            "{a",
            "{a|",
            "{{",
            "::",
            "a::1",
            "<",
            ">",
            "<lora:",
            "<lora :a",
            ", <",
            ",  ",
            "--",
            "--ar ",
            "--ar  a",
            "--no ",
            "--no a",
            " --x <",
            "BREAK",
            " BREAK ",
            "/",
            " // ",
            "\"",
            "'",
            "“",
            "‘",
            "「",
            "写着",
            "写着a",
            "招牌上",
            "标题为中",
            "三个字",
            "的牌子",
            "图案",
            "that says ",
            "that says:",
            "that says a ",
            "with the words of ",
            "with a",
            "with x ",
            "written",
            " written on",
            " on the ",
            "sign saying ",
            "negative ",
            "negative prompt ",
            "负面提示词 ",
            "no any ",
            "free of",
            "不要",
            "无任何",
            "two ",
            "two red ",
            "a dozen",
            "三 ",
            "三只",
            "3",
            "Ａ",
            "\u0301",
            "\uD83D\uDC31",
            "\uD83D",
            "\uFFFC",
            "{a_");

    private static final class CountingText implements CharSequence {
        private final String text;
        private long looks;

        CountingText(String text) {
            this.text = text;
        }

        @Override
        public char charAt(int index) {
            looks++;
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.substring(start, end);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    @Test
    void runsOfOnePiece_areReadOnce() throws Exception {
        for (String piece : PIECES) {
            check(run(piece, LENGTH));
        }
    }

    @Test
    void runsAfterWhateverBeginsAnExpression_areReadOnce() throws Exception {
        for (String first : PIECES) {
            for (String then : List.of(" ", "\n", "a", "中", "1", "一", ",", "(", "-", "\uD83D\uDC31")) {
                check(run(first, LENGTH / 2) + run(then, LENGTH / 2));
                check(run(first + run(then, 70), LENGTH));
            }
        }
    }

    @Test
    void mixtures_areReadOnce() throws Exception {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            List<String> few = Stream.generate(() -> PIECES.get(random.nextInt(PIECES.size())))
                    .limit(1 + random.nextInt(6))
                    .toList();
            StringBuilder text = new StringBuilder();
            while (text.length() < LENGTH) {
                String piece = few.get(random.nextInt(few.size()));
                text.append(piece.repeat(random.nextInt(10) == 0 ? random.nextInt(300) : 1));
            }
            check(text.toString());
        }
    }

    /** The counter must count: this is the kind of expression that it is there for. */
    @Test
    void aQuadraticExpression_isNoticed() {
        CountingText text = new CountingText(run(" ", LENGTH));

        assertThat(Pattern.compile("\\s*--").matcher(text).find()).isFalse();
        assertThat(text.looks).isGreaterThan((long) LOOKS_PER_CHARACTER * LENGTH);
    }

    // What is bounded cannot try long ways, and what is possessive does not try a second one.
    @Test
    void everyQuantifier_isBoundedOrPossessive() throws Exception {
        patterns().forEach((name, pattern) -> {
            assertThat(firstUnbounded(pattern.pattern()))
                    .as("%s: %s", name, pattern)
                    .isEmpty();
        });
        assertThat(firstUnbounded("a[*+]\\*b{1,60}c++d{2,}+")).isEmpty();
        for (String unbounded : List.of("a+", "a*?b", "(ab)*", "[a]{2,}", "\\s*x")) {
            assertThat(firstUnbounded(unbounded)).as(unbounded).isNotEmpty();
        }
    }

    /** Returns an expression's first quantifier that has no bound and gives back what it took, with what follows; empty if it has none. */
    private static String firstUnbounded(String expression) {
        Matcher token = Pattern.compile(
                        "\\\\.|\\[(?:\\\\.|[^\\]\\\\])*+\\]|\\(\\?|(?:\\{\\d++(?:,\\d++)?\\}|\\?)[+?]?|(\\{\\d++,\\}|[*+])(\\+?)|.",
                        Pattern.DOTALL)
                .matcher(expression);
        while (token.find()) {
            if (token.group(1) != null && token.group(2).isEmpty()) {
                return expression.substring(token.start());
            }
        }
        return "";
    }

    private static void check(String text) throws Exception {
        for (Map.Entry<String, Pattern> pattern : patterns().entrySet()) {
            CountingText counted = new CountingText(text);
            for (Matcher matcher = pattern.getValue().matcher(counted); matcher.find(); ) {
                // on to the next
            }
            assertThat(counted.looks)
                    .as("%s on '%.60s…'", pattern.getKey(), text)
                    .isLessThanOrEqualTo((long) LOOKS_PER_CHARACTER * text.length());
        }
    }

    private static String run(String piece, int length) {
        return piece.repeat(length / piece.length() + 1).substring(0, length);
    }

    /** All expressions that are constants of the package. */
    private static Map<String, Pattern> patterns() throws Exception {
        if (PATTERNS.isEmpty()) {
            try (Stream<Path> files = Files.list(Path.of("src/main/java/io/github/zimage/prompt"))) {
                List<String> names = files.map(file -> file.getFileName().toString())
                        .filter(name -> !name.equals("package-info.java"))
                        .toList();
                for (String name : names) {
                    addPatterns(Class.forName("io.github.zimage.prompt." + name.replace(".java", "")));
                }
            }
            assertThat(PATTERNS).hasSizeGreaterThan(15);
        }
        return PATTERNS;
    }

    private static void addPatterns(Class<?> type) throws IllegalAccessException {
        for (Field field : new ArrayList<>(Arrays.asList(type.getDeclaredFields()))) {
            if (field.getType() == Pattern.class) {
                field.setAccessible(true);
                PATTERNS.put(type.getSimpleName() + "." + field.getName(), (Pattern) field.get(null));
            }
        }
    }

    private static final Map<String, Pattern> PATTERNS = new LinkedHashMap<>();
}
