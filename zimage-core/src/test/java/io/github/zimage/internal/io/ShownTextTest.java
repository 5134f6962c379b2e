package io.github.zimage.internal.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;

/** Protects terminals, logs and their readers from what strangers wrote. */
final class ShownTextTest {
    private static final Set<Integer> HIDDEN = Set.of(
            (int) Character.CONTROL,
            (int) Character.FORMAT,
            (int) Character.SURROGATE,
            (int) Character.LINE_SEPARATOR,
            (int) Character.PARAGRAPH_SEPARATOR);

    @Test
    void everyCharacterThatSteersOrHides_isReplaced_andNoOther() {
        int replaced = 0;
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            String text = "a" + Character.toString(c) + "b";
            boolean hidden = HIDDEN.contains(Character.getType(c));
            replaced += hidden ? 1 : 0;
            assertThat(ShownText.line(text)).isEqualTo(hidden ? "a\ufffdb" : text);
        }
        // 65 controls, 2048 surrogates, two separators, and more than a hundred of format.
        assertThat(replaced).isGreaterThan(65 + 2048 + 2 + 100);
    }

    @Test
    void lines_stayOnlyWhereTheyMay() {
        String text = "a\r\nb\nc\rd\te\u2028f\u0085g\u000bh";
        assertThat(ShownText.lines(text)).isEqualTo("a\nb\nc\ufffdd\te\ufffdf\ufffdg\ufffdh");
        assertThat(ShownText.line(text)).doesNotContain("\n", "\r", "\t");
        assertThat(ShownText.joined(" a\r\n  b\u2028c\n")).isEqualTo("a; b; c");
    }

    @Test
    void cut_countsCharactersAndNeverHalvesOne() {
        assertThat(ShownText.cut("狐".repeat(100))).isEqualTo("狐".repeat(100));
        assertThat(ShownText.cut("🦊".repeat(101))).isEqualTo("🦊".repeat(100) + "…");
        assertThat(ShownText.cut("abc", 2)).isEqualTo("ab…");
        assertThat(ShownText.quoted("\u202e")).isEqualTo("\"\ufffd\"");
    }

    @Test
    void escapedJson_meansTheSame() {
        assertThat(ShownText.escapedJson("{\"a\": \"\u202e狐🦊\u009b\"}\n"))
                .isEqualTo("{\"a\": \"\\u202e狐🦊\\u009b\"}\n");
        assertThat(ShownText.escapedJson("\"\udb40\udc01\"")).isEqualTo("\"\\udb40\\udc01\"");
    }
}
