package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the rules find and how they mend it. How often they are right is measured on the labelled prompts. */
class PromptLinterTest {
    private final PromptLinter linter = PromptLinter.builder().chinese(null).build();

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "REPEATED_INTENSIFIER | a very very very tall tower | a very tall tower",
                "REPEATED_INTENSIFIER | very cold, very old, very dark woods | very cold, old, dark woods",
                "REPEATED_INTENSIFIER | 很高很高很高的楼 | 很高的楼",
                "REPEATED_INTENSIFIER | 非常非常美的湖 | 非常美的湖",
                "QUALITY_PILE | a girl, masterpiece, best quality, 8k | a girl",
                "QUALITY_PILE | masterpiece, a girl, 8k, meadow | a girl, meadow",
                "QUALITY_PILE | 杰作，最佳质量，一座桥 | 一座桥",
                "PROMPT_WEIGHT | (blue eyes:1.3), snow | blue eyes, snow",
                "PROMPT_WEIGHT | a ((huge)) whale | a huge whale",
                "PROMPT_WEIGHT | 古堡，（暴风雨：1.5） | 古堡，暴风雨",
                "OTHER_SYNTAX | a hill at dawn --ar 16:9 --v 6 | a hill at dawn",
                "OTHER_SYNTAX | a knight, <lora:armor:0.8>, yard | a knight, yard",
                "OTHER_SYNTAX | a cat BREAK a dog | a cat, a dog",
                "UNQUOTED_TEXT | a sign that says fresh bread, street | a sign that says \"fresh bread\", street",
                "UNQUOTED_TEXT | 招牌上写着春风十里，木门 | 招牌上写着“春风十里”，木门",
                "PUNCTUATION_WIDTH | 一只猫，一只狗,草地 | 一只猫，一只狗，草地",
                "PUNCTUATION_WIDTH | ＡＢＣ blocks | ABC blocks",
            })
    void what_canBeMended_isMended(LintCode code, String prompt, String mended) {
        PromptLint lint = linter.lint(prompt);

        assertThat(lint.findings()).extracting(LintFinding::code).containsOnly(code);
        assertThat(lint.fixed()).isEqualTo(mended);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "CONTRADICTION | a beach at midnight under the noon sun",
                "CONTRADICTION | 写实照片，油画风格",
                "TOO_MANY_SUBJECTS | twelve dancers on a stage",
                "TOO_MANY_SUBJECTS | 老虎、狮子、大象、斑马、猴子开派对",
                "NEGATIVE_PROMPT | a lake, no watermark",
                "NEGATIVE_PROMPT | 湖边，反向提示词：丑陋",
                "OTHER_SYNTAX | a [day:night:0.5] street",
                "BILINGUAL_MISMATCH | 三个苹果 // two apples",
                "BILINGUAL_MISMATCH | a red fox // 一只蓝色的狐狸",
                "BILINGUAL_MISMATCH | 写着“早安” // it says “night”",
            })
    void whatOnlyTheAuthorCanMend_isReportedAndLeftAsItIs(LintCode code, String prompt) {
        PromptLint lint = linter.lint(prompt);

        assertThat(lint.findings()).extracting(LintFinding::code).containsOnly(code);
        assertThat(lint.fixed()).isEqualTo(prompt);
    }

    /** Each of these once looked like something else. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "a very old oak",
                "a photo of an oil painting hanging in a museum",
                "a boy reading under a blanket",
                "a hut (painted red) by the fjord",
                "年轻中国女性,红色汉服 // Young Chinese woman in red Hanfu",
                "一只猫,一只狗;草地:绿色.",
                "a clock showing (12:30)",
                "a sign that says \"very very (big:1.2), masterpiece, 8k\"",
                "一位老太太坐在门口",
                "白天的广场，屏幕上播放着夜景",
                "八位游戏画面",
                "两个孩子 // two children",
                "招牌写着“深夜,正午”",
                "https://example.org // a",
            })
    void nothingIsFoundWhereNothingIsWrong(String prompt) {
        assertThat(linter.lint(prompt)).isEqualTo(new PromptLint(prompt, List.of(), prompt));
    }

    @Test
    void aPlaceIsThatOfTheWords() {
        String prompt = "\uD83D\uDC31 在海边，杰作，最佳质量";
        LintFinding finding = linter.lint(prompt).findings().get(0);

        assertThat(prompt.substring(finding.start(), finding.end())).isEqualTo("，杰作，最佳质量");
    }

    @Test
    void theHalvesOfABilingualPrompt_doNotContradictEachOther() {
        assertThat(linter.lint("夜晚的湖 // a lake, sunny day").findings()).isEmpty();
        assertThat(linter.lint("夜晚的湖，a lake, sunny day").findings())
                .extracting(LintFinding::code)
                .containsExactly(LintCode.CONTRADICTION);
    }

    @Test
    void settingsThatTurboIgnores_areReported() {
        assertThat(linter.lint("a fox", "blurry", 0).findings())
                .extracting(finding -> finding.message(Locale.ENGLISH))
                .containsExactly(
                        "The negative prompt has no effect while guidance is 0: leave it out, or set nagScale to 2.");
        assertThat(linter.lint("a fox", "blurry", 4).findings())
                .extracting(LintFinding::code)
                .containsExactly(LintCode.GUIDANCE_ON_TURBO);
        assertThat(linter.lint("a fox", " ", 0).findings()).isEmpty();
        assertThat(linter.lint("a fox", "blurry", 0, 2).findings())
                .as("acts by attention")
                .isEmpty();
    }

    @Test
    void thePromptIsTooLong_byTheTokenizerThatIsGiven() {
        PromptLinter counted = PromptLinter.builder()
                .tokens(String::length)
                .tokenLimit(5)
                .chinese(null)
                .build();

        assertThat(counted.lint("a fox").findings()).isEmpty();
        assertThat(counted.lint("a foxy").findings())
                .extracting(finding -> finding.message(Locale.ENGLISH))
                .containsExactly("The prompt has 6 tokens, the limit is 5: shorten it.");
    }

    // A tokenizer may take seconds to load.
    @Test
    void tokensAreCountedOnce_howeverManyFixesThereAre() {
        List<String> counted = new ArrayList<>();
        String prompt = "a ((huge)) whale, (snow:1.3), masterpiece, best quality, 8k";
        PromptLint lint = PromptLinter.builder()
                .tokens(text -> {
                    counted.add(text);
                    return 600;
                })
                .build()
                .lint(prompt);

        assertThat(counted).containsExactly(prompt);
        assertThat(lint.fixed()).isEqualTo("a huge whale, snow");
        assertThat(lint.findings().get(0).code()).isEqualTo(LintCode.TOO_LONG);
    }

    @Test
    void withoutATokenizer_theLengthIsEstimated() {
        assertThat(linter.lint("stone ".repeat(300)).findings()).isEmpty();
        assertThat(linter.lint("stone ".repeat(450)).findings())
                .extracting(finding -> finding.message(Locale.ENGLISH))
                .containsExactly("The prompt has about 544 tokens, the limit is 512: shorten it, or count them with the"
                        + " model's tokenizer.");
    }

    @Test
    void aPromptOfTooManyCharacters_isNotRead() {
        String longest = "masterpiece, 8k, ".repeat(5000).substring(0, PromptLinter.MAX_CHARACTERS);
        List<String> counted = new ArrayList<>();
        PromptLinter counting = PromptLinter.builder()
                .chinese(null)
                .tokens(text -> {
                    counted.add(text);
                    return 1;
                })
                .build();

        PromptLint lint = counting.lint(longest + "x");
        assertThat(lint.findings())
                .extracting(finding -> finding.message(Locale.ENGLISH))
                .containsExactly(
                        "The prompt has 65537 characters, and none is read that has more than 65536: shorten it.");
        assertThat(lint.findings().get(0).message(Locale.CHINESE))
                .contains("65537")
                .contains("65536");
        assertThat(lint.fixed()).isEqualTo(longest + "x");
        assertThat(counted).isEmpty();

        assertThat(counting.lint(longest).findings())
                .extracting(LintFinding::code)
                .containsOnly(LintCode.QUALITY_PILE);
        assertThat(counted).containsExactly(longest);
    }

    @Test
    void rulesThatAreLeftOut_findNothing() {
        PromptLinter some = PromptLinter.builder()
                .without(LintCode.QUALITY_PILE)
                .chinese(null)
                .build();
        assertThat(some.lint("a (girl:1.2), masterpiece, 8k").fixed()).isEqualTo("a girl, masterpiece, 8k");

        PromptLinter one = PromptLinter.builder()
                .only(List.of(LintCode.QUALITY_PILE))
                .chinese(null)
                .build();
        assertThat(one.lint("a (girl:1.2), masterpiece, 8k").fixed()).isEqualTo("a (girl:1.2)");
        assertThatThrownBy(() -> PromptLinter.builder().tokenLimit(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenLimit must be at least 1, but was 0");
    }

    /** A rule without a text would fail only when it finds something. */
    @ParameterizedTest
    @EnumSource(LintCode.class)
    void everyRuleHasAMessageInBothLanguages(LintCode code) {
        LintFinding finding = new LintFinding(code, 0, 0, null, List.of("one", "two", "three"));

        assertThat(finding.message(Locale.US)).isNotBlank().doesNotContain("{");
        assertThat(finding.message(Locale.SIMPLIFIED_CHINESE)).containsPattern("\\p{IsHan}");
        assertThat(finding.message(Locale.GERMANY)).isEqualTo(finding.message(Locale.US));
    }

    @Test
    void aMessageShowsTheBeginningOfALongPlace() {
        LintFinding finding = linter.lint("a fox" + ", masterpiece, 8k".repeat(100))
                .findings()
                .get(0);

        assertThat(finding.arguments().get(0)).hasSizeGreaterThan(1000);
        assertThat(finding.message(Locale.ENGLISH)).hasSizeLessThan(250).contains("8k");
    }
}
