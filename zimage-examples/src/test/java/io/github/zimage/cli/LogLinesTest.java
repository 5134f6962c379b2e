package io.github.zimage.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.OutputStreamAppender;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Protects the log from what strangers wrote: prompts, names of files, answers of other programs. */
final class LogLinesTest {
    private static String logged(String message, Throwable failure) {
        Logger root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        OutputStreamAppender<ILoggingEvent> appender = (OutputStreamAppender<ILoggingEvent>) root.getAppender("stderr");
        LoggingEvent event = new LoggingEvent("", root, Level.WARN, message, failure, new Object[0]);
        return new String(appender.getEncoder().encode(event), UTF_8);
    }

    @Test
    void whatSteersATerminal_isReplaced() {
        for (String bad : new String[] {
            "\u001b", "\u0007", "\u009b", "\u202e", "\u2066", "\u2028", "\u2029", "\u200b", "\r", "\u0000"
        }) {
            assertThat(logged("a" + bad + "b 狐", null))
                    .as("U+%04x", (int) bad.charAt(0))
                    .isEqualTo("WARN  a\ufffdb 狐" + System.lineSeparator());
        }
    }

    @Test
    void furtherLines_areIndented() {
        assertThat(logged("one\nINFO  forged\r\ntwo", null).lines())
                .containsExactly("WARN  one", "  INFO  forged", "  two");
    }

    // Unless --verbose asks for them; then the pattern of this build has been read already.
    @Test
    void stackTraces_staySilent() {
        assertThat(logged("failed", new IllegalStateException("x\nINFO  forged"))
                        .lines())
                .containsExactly("WARN  failed");
    }
}
