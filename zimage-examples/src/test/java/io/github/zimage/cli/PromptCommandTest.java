package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PromptCommandTest {
    @Test
    void findings_areListed() {
        MainTest.Run run = MainTest.run("prompt", "lint", "a girl, (smiling:1.2), masterpiece, 8k");

        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("8-21 warning PROMPT_WEIGHT: This model reads no weights; '(smiling:1.2)' is taken as plain")
                .contains("info QUALITY_PILE: 'masterpiece, 8k' praises");
    }

    /** The dictionaries for Chinese come with the command. */
    @Test
    void chineseFindings_areListedInChinese() {
        assertThat(MainTest.run("prompt", "lint", "--language", "zh", "一个佛像，靓仔").out())
                .contains("CLASSIFIER: 量词“个”与“佛像”不搭配：请写“尊”。")
                .contains("DIALECT: “靓仔”是方言：请写“帅哥”。");
        assertThat(MainTest.run("prompt", "lint", "--language=zh", "一只猫").out().strip())
                .isEqualTo("没有发现问题");
    }

    @Test
    void fix_printsThePromptOnly() {
        assertThat(MainTest.run("prompt", "lint", "--fix", "a girl, (smiling:1.2), masterpiece, 8k")
                        .out()
                        .strip())
                .isEqualTo("a girl, smiling");
    }

    @Test
    void json_isOneArray() {
        assertThat(MainTest.run("prompt", "lint", "--json", "a \u0007 (fox:1.2)")
                        .out()
                        .strip())
                .isEqualTo(
                        "[{\"code\":\"PROMPT_WEIGHT\",\"severity\":\"WARNING\",\"basis\":\"MODEL\",\"start\":4,\"end\":13,"
                                + "\"text\":\"(fox:1.2)\",\"message\":\"This model reads no weights; '(fox:1.2)' is taken as plain"
                                + " characters: say it in words.\",\"replacement\":\"fox\"}]");
        assertThat(MainTest.run("prompt", "lint", "--json", "a fox").out().strip())
                .isEqualTo("[]");
        assertThat(MainTest.run("prompt", "lint", "--json", "--fix", "a fox").code())
                .isEqualTo(2);
    }

    @Test
    void templates_areFilled(@TempDir Path folder) throws Exception {
        assertThat(MainTest.run("prompt", "template", "poster", "--set", "subject=a door", "--set", "text=OPEN")
                        .out())
                .startsWith("poster with the large title \"OPEN\" at the top, below it a door, ");
        assertThat(MainTest.run(
                                "prompt",
                                "template",
                                "portrait",
                                "--language=zh",
                                "--set=subject=老渔夫",
                                "--style=gongbi")
                        .out()
                        .strip())
                .startsWith("老渔夫的肖像，看向镜头")
                .endsWith("工笔重彩，细线勾勒，绢本设色");
        assertThat(MainTest.run("prompt", "template").out()).contains("landscape ", "watercolour ");

        Path mine = folder.resolve("mine.json");
        Files.writeString(mine, "{\"templates\": {\"stamp\": {\"en\": \"a stamp with {subject}\", \"zh\": \"邮票\"}}}");
        assertThat(MainTest.run("prompt", "template", "stamp", "--library", mine.toString(), "--set=subject=a fox")
                        .out()
                        .strip())
                .isEqualTo("a stamp with a fox");
    }

    @Test
    void wrongRequests_areAnsweredInOneLine() {
        assertThat(MainTest.run("prompt").err().strip())
                .isEqualTo("zimage: which command? One of advise, lint, template (see zimage prompt --help)");
        MainTest.Run unfilled = MainTest.run("prompt", "template", "poster");
        assertThat(unfilled.code()).isEqualTo(2);
        assertThat(unfilled.err().strip())
                .isEqualTo("zimage: template poster needs --set subject=WORDS and --set text=WORDS");
        assertThat(MainTest.run("prompt", "template", "potrait").err())
                .contains("there is no template 'potrait', only");
        MainTest.Run missing = MainTest.run("prompt", "template", "--library", "missing.json");
        assertThat(missing.code()).isEqualTo(2);
        assertThat(missing.err().strip()).startsWith("zimage: missing.json cannot be read");
    }

    @Test
    void advice_hasItsReasons() {
        assertThat(MainTest.run("prompt", "advise", "--for", "print", "a fox")
                        .out()
                        .lines())
                .containsExactly(
                        "To print: 1280 × 1280 pixels. The prompt has only 2 words; that much detail needs no more than"
                                + " 768 pixels.",
                        "7 steps: 1 subjects, 0 texts to write, 0 relations.");
    }
}
