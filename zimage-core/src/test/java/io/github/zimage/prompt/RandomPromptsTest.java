package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Any text may come in through a web form. */
class RandomPromptsTest {
    private static final String[] PIECES = {
        "very ",
        "非常",
        "很高",
        "masterpiece",
        "8k",
        "，",
        ", ",
        "(",
        ")",
        ":1.2",
        "（",
        "）",
        "：1.5",
        "[",
        "]",
        "{",
        "}",
        "|",
        "<lora:",
        ">",
        "--ar 16:9",
        " BREAK ",
        " // ",
        "\"",
        "“",
        "”",
        "「",
        "」",
        "'",
        "写着",
        "a sign that says ",
        "negative prompt:",
        "no text",
        "无水印",
        "midnight",
        "正午",
        "三只猫",
        "two red cats",
        "ＡＢ１",
        "。",
        "!",
        "一个佛像",
        "画龙点睛",
        "發",
        "发簪",
        "靓仔",
        "\uD83D\uDC31",
        "\uD83D",
        "\uDC31",
        "\u0000",
        "\u202E",
        "\n",
        " ",
        "的",
        "字样",
        "::2",
        "\u0301",
        "::",
        "杰作"
    };

    private final PromptLinter linter = PromptLinter.builder().chinese(null).build();

    @Test
    void randomUnicode_keepsTheRules() {
        for (int seed = 0; seed < 4000; seed++) {
            Random random = new Random(seed);
            StringBuilder text = new StringBuilder();
            int length = random.nextInt(60);
            for (int i = 0; i < length; i++) {
                if (random.nextInt(4) == 0) {
                    text.append((char) random.nextInt(0x10000));
                } else if (random.nextInt(8) == 0) {
                    text.appendCodePoint(random.nextInt(0x110000));
                } else {
                    text.append(PIECES[random.nextInt(PIECES.length)]);
                }
            }
            check(text.toString());
        }
    }

    /** Patterns that try all ways to match would not end within hours; what takes a second ends in time on a busy machine, too. */
    @Test
    @Timeout(120)
    void longRepetitions_end() {
        for (String piece : PIECES) {
            assertThat(linter.lint(piece.repeat(4000)).findings()).as(piece).isNotNull();
        }
    }

    private void check(String text) {
        PromptLint lint = linter.lint(text);
        for (LintFinding finding : lint.findings()) {
            assertThat(finding.end()).as(text).isLessThanOrEqualTo(text.length());
            assertThat(isBoundary(text, finding.start())).as(text).isTrue();
            assertThat(isBoundary(text, finding.end())).as(text).isTrue();
        }
        assertThat(linter.lint(lint.fixed()).fixed()).as(text).isEqualTo(lint.fixed());
        assertThat(Quotes.contents(lint.fixed())).as(text).containsAll(Quotes.contents(text));
    }

    private static boolean isBoundary(String text, int index) {
        return index == 0
                || index == text.length()
                || !Character.isSurrogatePair(text.charAt(index - 1), text.charAt(index));
    }
}
