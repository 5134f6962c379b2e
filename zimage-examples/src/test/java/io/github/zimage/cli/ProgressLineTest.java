package io.github.zimage.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ProgressLineTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream terminal = new PrintStream(bytes, true, UTF_8);

    private List<String> drawn() {
        return Stream.of(bytes.toString(UTF_8).split("[\\r\\n]+", -1))
                .filter(text -> !text.isEmpty())
                .toList();
    }

    // A line that is as wide as the terminal wraps in many, and the next one is drawn below it.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8, 20, 21, 40, 79, 80, 200})
    void everyDrawing_isNarrowerThanTheTerminal(int columns) {
        try (ProgressLine line = ProgressLine.overwriting(terminal, () -> columns)) {
            line.begin("convert text_encoder", 7L << 40, true);
            line.advance(3L << 40, "12.34 s/step and a long note");
            line.begin("steps", 1000, false);
            line.advance(999, "123.4 s/step");
            line.begin("text", 0, false);
        }
        assertThat(drawn()).hasSizeGreaterThan(5).allMatch(text -> text.length() <= Math.max(1, columns - 1));
    }

    @ParameterizedTest
    @CsvSource({
        "34, steps [==> ]  66% 2/3 1.23 s/step",
        "24, steps [====> ]  66% 2/3",
        "19, steps [===> ]  66%",
        "15, steps  66%",
        "9, ste  66%",
        "4, 66%"
    })
    void withoutRoom_whatMattersMostStays(int columns, String start) {
        try (ProgressLine line = ProgressLine.overwriting(terminal, () -> columns)) {
            line.begin("steps", 3, false);
            line.advance(2, "1.23 s/step");
        }
        assertThat(drawn().get(1).strip()).startsWith(start);
    }

    // Whoever makes the window narrower while minutes of work are shown must not get a heap of lines.
    @Test
    void width_isFollowed_andOldTextIsWipedOut() {
        AtomicInteger columns = new AtomicInteger(60);
        try (ProgressLine line = ProgressLine.overwriting(terminal, columns::get)) {
            line.begin("steps", 4, false);
            line.advance(1, "a long note that is gone later");
            columns.set(30);
            line.advance(2, "");
            columns.set(60);
            line.advance(3, "");
        }
        List<String> drawn = drawn();
        assertThat(drawn.get(1)).hasSizeBetween(30, 59);
        assertThat(drawn.get(2)).hasSize(29).contains("2/4");
        assertThat(drawn.get(3)).hasSizeBetween(30, 59).contains("3/4");
        assertThat(bytes.toString(UTF_8)).contains("\r");
    }

    // Emacs' shell and logs of CI show a carriage return as it is.
    @Test
    void following_hasALineForEachStep_andNoCarriageReturn() {
        try (ProgressLine line = ProgressLine.following(terminal)) {
            line.begin("load vae", 4 << 20, true);
            line.advance(1 << 20, "");
            line.advance(2 << 20, "");
            line.advance(4 << 20, "");
            line.begin("steps", 2, false);
            line.advance(1, "1.00 s/step");
            line.advance(2, "1.00 s/step");
        }
        assertThat(bytes.toString(UTF_8)).doesNotContain("\r");
        assertThat(drawn()).hasSize(3);
        assertThat(drawn().get(0)).startsWith("load vae 100% 4.0/4.0 MiB");
        assertThat(drawn().get(1)).startsWith("steps  50% 1/2 1.00 s/step");
        assertThat(drawn().get(2)).startsWith("steps 100% 2/2 1.00 s/step");
    }

    @Test
    void whatHasNoTotal_isDoneAtTheEnd() {
        try (ProgressLine line = ProgressLine.overwriting(terminal, () -> 80)) {
            line.begin("text", 0, false);
            line.end();
            line.end(); // nothing more
        }
        assertThat(drawn()).hasSize(2);
        assertThat(drawn().get(0)).startsWith("text 0:00");
        assertThat(drawn().get(1)).contains("100% 1/1");
    }

    @ParameterizedTest
    @CsvSource({
        "24 80, 80",
        "'50 132\n', 132",
        "0 0, 0",
        "'', 0",
        "stty: no terminal, 0",
        "24 -1, 0",
        "24 99999999999, 0"
    })
    void columns_ofWhatSttySays(String answer, int columns) {
        assertThat(TerminalWidth.columns(answer)).isEqualTo(columns);
    }

    // There is none in a build; the question must not hang or fail.
    @Test
    void width_withoutATerminal_isUsual() {
        TerminalWidth width = TerminalWidth.watched();
        assertThat(width.getAsInt()).isPositive();
        assertThat(width.getAsInt()).isEqualTo(width.getAsInt());
    }
}
