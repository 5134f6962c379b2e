package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.prompt.SizeAdvisor.Purpose;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdvisorTest {
    private final SizeAdvisor sizes = SizeAdvisor.with(null);

    @ParameterizedTest
    @CsvSource({"0, 768", "29, 768", "30, 1024", "59, 1024", "60, 1280", "200, 1280"})
    void theSizeGrowsWithTheWords(int words, int pixels) {
        SizeAdvisor.Advice advice = sizes.advise("word ".repeat(words));

        assertThat(advice.words()).isEqualTo(words);
        assertThat(advice.pixels()).isEqualTo(pixels);
    }

    @Test
    void aPurposeDecides_andTheReasonSaysWhatTheWordsSuggest() {
        assertThat(sizes.advise("a fox", Purpose.PRINT).message(Locale.ENGLISH))
                .isEqualTo("To print: 1280 × 1280 pixels. The prompt has only 2 words; that much detail needs no more"
                        + " than 768 pixels.");
        assertThat(sizes.advise("a fox", Purpose.DRAFT).message(Locale.CHINESE)).isEqualTo("草稿：768 × 768 像素。");
        assertThat(sizes.advise("word ".repeat(70), Purpose.DRAFT).message(Locale.ENGLISH))
                .contains("may want 1280 pixels");
    }

    /** By spaces, a Chinese prompt would be one word. */
    @Test
    void chineseIsCountedByWords() {
        String prompt = "一只红色的狐狸在雪地里";

        assertThat(sizes.advise(prompt).words()).isEqualTo(7);
        assertThat(SizeAdvisor.with(new ChineseAnalyzer() {
                            @Override
                            public List<String> words(String text) {
                                return List.of("一只", "红色", "的", "狐狸", "，");
                            }

                            @Override
                            public List<LintFinding> check(String text) {
                                return List.of();
                            }
                        })
                        .advise(prompt)
                        .words())
                .isEqualTo(4);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a misty valley | 7",
                "a fox | 7",
                "a fox behind a tree | 8",
                "a sign that says \"OPEN\" | 8",
                "a man holding a cat next to a dog in front of a sign that says \"OPEN\" | 9",
                "山谷 | 7",
                "女孩抱着小猫，旁边坐着老人，身后是写着“茶”的招牌 | 9",
                "女孩抱着小猫 // a girl holding a kitten | 8",
            })
    void theStepsGrowWithTheComplexity(String prompt, int steps) {
        assertThat(StepAdvisor.advise(prompt).steps()).isEqualTo(steps);
    }

    @Test
    void theReasonSaysWhatWasCounted() {
        assertThat(StepAdvisor.advise("a man holding a cat, a sign with \"OPEN\"")
                        .message(Locale.ENGLISH))
                .isEqualTo("9 steps: 2 subjects, 1 texts to write, 1 relations.");
    }
}
