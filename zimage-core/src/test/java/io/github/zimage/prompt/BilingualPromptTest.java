package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BilingualPromptTest {
    private final BilingualPrompt fox = new BilingualPrompt("一只狐狸", "a fox");

    @Test
    void bothOrders_areRead() {
        assertThat(BilingualPrompt.parse("一只狐狸 // a fox")).contains(fox);
        assertThat(BilingualPrompt.parse("  a fox // 一只狐狸 ")).contains(fox);
        assertThat(BilingualPrompt.parse(fox.toString())).contains(fox);
    }

    /** The Chinese in quotation marks is text to write, and a quoted separator is none. */
    @Test
    void quotedText_isNotLookedAt() {
        assertThat(BilingualPrompt.parse("写着“茶” // it says “茶”")).contains(new BilingualPrompt("写着“茶”", "it says “茶”"));
        assertThat(BilingualPrompt.parse("一个牌子写着“a // b”")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "//", " // ", "a fox", "a fox // a wolf", "狐狸 // 狼", "狐狸 // a // b", "狐狸//a fox", "狐狸 // "})
    void otherText_isNotBilingual(String text) {
        assertThat(BilingualPrompt.parse(text)).isEmpty();
    }

    @Test
    void theEncodingChoosesWhatIsRead() {
        assertThat(fox.text(BilingualPrompt.Encoding.BOTH)).isEqualTo("一只狐狸 // a fox");
        assertThat(fox.text(BilingualPrompt.Encoding.CHINESE)).isEqualTo("一只狐狸");
        assertThat(fox.text(BilingualPrompt.Encoding.ENGLISH)).isEqualTo("a fox");
    }

    @Test
    void halvesThatAreNone_areRefused() {
        assertThatThrownBy(() -> new BilingualPrompt(" ", "a fox"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("chinese must not be blank");
        assertThatThrownBy(() -> new BilingualPrompt("狐狸", "a // b"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("english must not contain ' // '");
    }

    @Test
    void aTranslator_suppliesTheOtherHalf() {
        PromptTranslator translator = (text, to) -> to == PromptLanguage.CHINESE ? "一只狐狸" : "a fox";

        assertThat(translator.bilingual("a fox")).isEqualTo(fox);
        assertThat(translator.bilingual("一只狐狸")).isEqualTo(fox);
    }
}
