package io.github.zimage.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.github.zimage.Component;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

final class ProgressTest {
    private final ByteArrayOutputStream terminal = new ByteArrayOutputStream();

    @Test
    void generation_showsEachPartOnALineOfItsOwn() {
        try (Progress progress =
                Progress.on(ProgressLine.overwriting(new PrintStream(terminal, true, UTF_8), () -> 80))) {
            progress.onLoad(Component.TRANSFORMER, 1 << 20, 4 << 20);
            progress.onLoad(Component.TRANSFORMER, 4 << 20, 4 << 20);
            progress.startGeneration(2);
            progress.onEncode(Duration.ofSeconds(1));
            progress.onStep(1, 2, Duration.ofMillis(41_234));
            progress.onStep(2, 2, Duration.ofMillis(1234));
            progress.onDecode(1, 1, Duration.ofSeconds(1));
        }

        String[] lines = terminal.toString(UTF_8).split(System.lineSeparator(), -1);
        // What follows the last carriage return is what stays on the terminal.
        List<String> last = Arrays.stream(lines)
                .map(line -> line.substring(line.lastIndexOf('\r') + 1))
                .filter(line -> !line.isBlank())
                .toList();
        assertThat(last).hasSize(4);
        assertThat(last.get(0)).startsWith("load transformer").contains("100%", "4.0/4.0 MiB");
        assertThat(last.get(1)).startsWith("text").contains("100%");
        assertThat(last.get(2)).startsWith("steps").contains("2/2").contains("1.23 s/step");
        assertThat(last.get(3)).startsWith("decode").contains("1/1");
        assertThat(last).allMatch(line -> line.length() <= 79);
    }

    // What a script reads to tell the start from the drawing.
    @Test
    void log_saysWhenPartsWereDone() {
        Logger logger = (Logger) LoggerFactory.getLogger(Progress.class);
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.DEBUG);
        try (Progress progress = Progress.silent()) {
            progress.startGeneration(2);
            progress.onEncode(Duration.ofMillis(1500));
            progress.onStep(1, 2, Duration.ofDays(-1)); // so that it began a day from now
            progress.onDecode(1, 1, Duration.ofSeconds(3));
        } finally {
            logger.setLevel(null);
            logger.detachAppender(log);
        }
        List<String> lines =
                log.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
        assertThat(lines).allMatch(line -> line.matches("[0-9.]+ s after the start of the process: .*"));
        assertThat(lines.stream().map(line -> line.split(": ", 2)[1]))
                .containsExactly(
                        "loaded",
                        "prompts encoded in 1.50 s",
                        "the first step began",
                        "step 1 of 2 done in -86400.00 s",
                        "picture 1 of 1 decoded in 3.00 s");
        assertThat(Double.parseDouble(lines.get(2).split(" ", 2)[0])).isGreaterThan(86_400);
    }

    // A log file full of carriage returns is of no use.
    @Test
    void silent_printsNothing() {
        Logger logger = (Logger) LoggerFactory.getLogger(Progress.class);
        logger.setLevel(Level.INFO); // another test may have asked for more
        PrintStream before = System.err;
        System.setErr(new PrintStream(terminal, true, UTF_8));
        try (Progress progress = Progress.silent()) {
            progress.onLoad(Component.VAE, 1, 2);
            progress.startGeneration(2);
            progress.onStep(1, 2, Duration.ZERO);
        } finally {
            System.setErr(before);
            logger.setLevel(null);
        }
        assertThat(terminal.size()).isZero();
    }
}
