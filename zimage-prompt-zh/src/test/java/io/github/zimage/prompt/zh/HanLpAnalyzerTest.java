package io.github.zimage.prompt.zh;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.prompt.ChineseAnalyzer;
import io.github.zimage.prompt.LintBasis;
import io.github.zimage.prompt.LintCode;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.LintSeverity;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.SizeAdvisor;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HanLpAnalyzerTest {
    private static final PromptLinter LINTER = PromptLinter.create();

    @Test
    void theCoreFindsTheAnalyzer() {
        assertThat(ServiceLoader.load(ChineseAnalyzer.class)).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "AMBIGUOUS_READING | 一支发簪 | 一支发簪(fà zān)",
                "LITERAL_IDIOM | 一幅画龙点睛的设计 | 一幅点缀得恰到好处的设计",
                "CLASSIFIER | 两个佛像立在山顶 | 两尊佛像立在山顶",
                "CLASSIFIER | 三只白色的马 | 三匹白色的马",
                "DIALECT | 靓仔和阿婆 | 帅哥和老奶奶",
                "MIXED_SCRIPT | 咖啡館的窗边，读书 | 咖啡馆的窗边，读书",
                "MIXED_SCRIPT | 山水畫，遠處有寺廟，灯笼 | 山水畫，遠處有寺廟，燈籠",
            })
    void whatIsFound_isMended(LintCode code, String prompt, String mended) {
        PromptLint lint = LINTER.lint(prompt);

        assertThat(lint.findings()).extracting(LintFinding::code).containsOnly(code);
        assertThat(lint.fixed()).isEqualTo(mended);
        assertThat(LINTER.lint(mended).findings()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "长发女孩在重庆听音乐",
                "一支发簪(fà zān)",
                "鸟语花香的花园，万马奔腾",
                "两尊佛像，三匹马，一群牛，一个骑马的男孩，一个船长",
                "这座山，第一座桥，十一座塔，统一座谈，一座难求，一座孤零零的灯塔",
                "年轻中国女性,红色汉服 // Young Chinese woman in red Hanfu",
                "一个房间里有一张桌子",
                "台北的老街，機車騎士，後面有兩座寺廟",
                "公里、皇后、干净、头发、台湾、面条",
                "著名的画家站着",
                "共享单车停在路边，士兵",
                "招牌上写着“靓仔龍鳳茶楼”",
            })
    void nothingIsFoundWhereNothingIsWrong(String prompt) {
        assertThat(LINTER.lint(prompt).findings()).isEmpty();
    }

    // What guides say of classifiers is no more than a hint.
    @ParameterizedTest
    @ValueSource(strings = {"一尊佛像", "一座山", "远处有一座雪山，云海", "一座灯塔"})
    void classifiersThatGuidesAdviseAgainst_areFolklore(String prompt) {
        PromptLint lint = LINTER.lint(prompt);

        assertThat(lint.findings()).extracting(LintFinding::code).containsExactly(LintCode.LITERAL_CLASSIFIER);
        LintFinding finding = lint.findings().get(0);
        assertThat(finding.severity()).isEqualTo(LintSeverity.INFO);
        assertThat(finding.code().basis()).isEqualTo(LintBasis.FOLKLORE);
        assertThat(prompt.substring(finding.start(), finding.end())).matches("一[尊座]");
        assertThat(lint.fixed()).isEqualTo(prompt);
    }

    @Test
    void anIdiomWithoutADescription_isReportedOnly() {
        PromptLint lint = LINTER.lint("一个人杀鸡取卵");

        assertThat(lint.findings())
                .extracting(finding -> finding.message(Locale.ENGLISH))
                .containsExactly("'杀鸡取卵' is an idiom that may be drawn word by word: describe what one would see.");
        assertThat(lint.fixed()).isEqualTo("一个人杀鸡取卵");
    }

    @Test
    void wordsAreCounted() {
        assertThat(new HanLpAnalyzer().words("一只红色的狐狸，在雪地里"))
                .containsExactly("一", "只", "红色", "的", "狐狸", "，", "在", "雪地", "里");
        assertThat(SizeAdvisor.create().advise("一只红色的狐狸，在雪地里").words()).isEqualTo(8);
    }

    /** A list that maps to its own words would never come to rest. */
    @Test
    void theListsDoNotLeadBackToThemselves() {
        WordLists lists = new WordLists();

        assertThat(lists.idioms.values())
                .allMatch(description -> LINTER.lint(description).findings().stream()
                        .noneMatch(finding -> finding.code() == LintCode.LITERAL_IDIOM));
        assertThat(lists.dialect.values()).noneMatch(lists.dialect::containsKey);
        lists.readings.forEach(
                (word, pinyin) -> assertThat(pinyin.split(" ")).as(word).hasSize(word.length()));
    }

    @Test
    void randomText_keepsTheRules() {
        String pieces = "一个三只条尊佛像马发簪画龙点睛靓仔阿婆繁体簡體字頭髮长發里裡著的，。,（）()“”「」很非常高杰作8k写着 //abc\uFFFC";
        for (int seed = 0; seed < 3000; seed++) {
            Random random = new Random(seed);
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(50); i > 0; i--) {
                if (random.nextInt(12) == 0) {
                    text.appendCodePoint(random.nextInt(0x110000));
                } else {
                    text.append(pieces.charAt(random.nextInt(pieces.length())));
                }
            }
            PromptLint lint = LINTER.lint(text.toString());
            for (LintFinding finding : lint.findings()) {
                assertThat(finding.end()).isLessThanOrEqualTo(text.length());
            }
            assertThat(LINTER.lint(lint.fixed()).fixed()).as(text.toString()).isEqualTo(lint.fixed());
        }
    }

    @Test
    void anAnalyzerGivenByHand_isUsed() {
        PromptLinter without = PromptLinter.builder().chinese(null).build();

        assertThat(without.lint("靓仔").findings()).isEmpty();
        assertThat(List.of(LINTER.lint("靓仔").fixed())).containsExactly("帅哥");
    }
}
