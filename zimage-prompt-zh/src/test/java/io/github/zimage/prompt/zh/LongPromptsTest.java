package io.github.zimage.prompt.zh;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.prompt.PromptLinter;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Anybody may send a prompt, so none may take long. Prompts of 64,000 characters are read in a tenth of a second or less;
 * a rule that takes quadratic time, and 50 ms for 8,000 characters, would take 3 s.
 */
class LongPromptsTest {
    private static final int LENGTH = 64_000;

    /** Twenty times what the slowest of these takes alone, as others may compute beside it. */
    private static final long LIMIT_NANOS = 2_000_000_000;

    private static final String NESTED = "((((((((((a:1.2):1.2):1.2):1.2):1.2):1.2):1.2):1.2):1.2):1.2) ";

    private final PromptLinter linter = PromptLinter.create();

    @ParameterizedTest
    @ValueSource(
            strings = {
                " ",
                "\n",
                "\t\r\n",
                "\u3000",
                "a",
                "1",
                "中",
                "一",
                "三 ",
                "，",
                ",",
                ".",
                "e\u0301",
                "\uD83D\uDE00",
                "\uD83D",
                "very ",
                "very, x ",
                "很 ",
                "很很啊",
                "masterpiece, ",
                "masterpiece a ",
                "杰作，",
                "(",
                "(a",
                "((a",
                "[a:",
                "{a|",
                "<lora:",
                "--x <",
                " --ar ",
                "BREAK ",
                "\"",
                "'",
                " '",
                "‘",
                "“",
                "「",
                "《",
                "写着",
                "招牌上写着a",
                "that says ",
                "with x ",
                "with a b written on ",
                "negative ",
                "no text ",
                "midnight noon ",
                "白天夜里",
                "two cats ",
                "三只猫",
                "三只",
                "猫、",
                "cat ",
                "Ａ",
                "a，",
                "中. ",
                "（a)",
                "a // 中",
                " // ",
                "一个",
                "一个红色的",
                "一尊佛像",
                "一只大",
                "画龙点睛",
                "发簪",
                "靓仔",
                "發",
                "著",
                "咖啡館",
                "的",
                "红色",
                "王",
                "约翰·",
                "百分之",
                "2024年",
                "::2",
                "\uFFFC"
            })
    void repetitions_areReadInNoTime(String piece) {
        String run = piece.repeat(LENGTH / piece.length());
        check(piece.repeat(LENGTH / 2 / piece.length()) + " ".repeat(LENGTH / 2));
        check((NESTED + "--x <" + run).substring(0, LENGTH));
    }

    @Test
    void mixtures_areReadInNoTime() {
        List<String> pieces = List.of(
                " ",
                "\n",
                "a",
                "very ",
                "很",
                "(",
                ")",
                ":1.2)",
                "[",
                "{a|",
                "<lora:",
                "--ar ",
                "\"",
                "'",
                "“",
                "写着",
                "no text ",
                "midnight ",
                "正午",
                "三只",
                "猫",
                "two ",
                "cat ",
                "，",
                ",",
                "一个",
                "红色",
                "佛像",
                "画龙点睛",
                "发簪",
                "靓仔",
                "館",
                "\uD83D",
                "\u0301",
                " BREAK ",
                "8k ");
        for (int seed = 0; seed < 15; seed++) {
            Random random = new Random(seed);
            int kinds = 1 + random.nextInt(8);
            int from = random.nextInt(pieces.size());
            StringBuilder text = new StringBuilder();
            while (text.length() < LENGTH) {
                String piece = pieces.get((from + 5 * random.nextInt(kinds)) % pieces.size());
                text.append(piece.repeat(random.nextInt(10) == 0 ? random.nextInt(500) : 1));
            }
            check(text.substring(0, LENGTH));
        }
    }

    /** Of five runs the fastest counts: the first ones load classes, and any may have to wait for others. */
    private void check(String text) {
        long fastest = Long.MAX_VALUE;
        for (int i = 0; i < 5 && fastest > LIMIT_NANOS; i++) {
            long start = System.nanoTime();
            assertThat(linter.lint(text).prompt()).isSameAs(text);
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        assertThat(fastest).as("nanoseconds for '%.60s…'", text).isLessThan(LIMIT_NANOS);
    }
}
