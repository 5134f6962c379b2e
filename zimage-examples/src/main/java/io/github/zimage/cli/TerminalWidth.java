package io.github.zimage.cli;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How many columns the terminal behind the standard error stream has. {@code stty} is asked at first, and again when the system has
 * said that the window is another. Thread-safe.
 */
final class TerminalWidth implements IntSupplier {
    private static final int USUAL = 80;
    private static final Pattern SIZE = Pattern.compile("(\\d{1,6}) (\\d{1,6})\\s*");

    private volatile boolean known;
    private volatile int columns = USUAL;

    private TerminalWidth() {}

    /** Returns one that follows the window until the JVM ends. */
    static TerminalWidth watched() {
        TerminalWidth width = new TerminalWidth();
        try {
            width.followWindow();
        } catch (ReflectiveOperationException e) {
            // Windows has no such signal: the first answer holds.
        }
        return width;
    }

    /** By reflection, since the compiler warns of each use of a class that no other can stand in for. */
    private void followWindow() throws ReflectiveOperationException {
        Class<?> signal = Class.forName("sun.misc.Signal");
        Class<?> handler = Class.forName("sun.misc.SignalHandler");
        Object changed =
                Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, (self, method, args) -> {
                    known = false;
                    return null;
                });
        signal.getMethod("handle", signal, handler)
                .invoke(null, signal.getConstructor(String.class).newInstance("WINCH"), changed);
    }

    @Override
    public int getAsInt() {
        if (!known) {
            known = true; // before asking, so that a change meanwhile is not missed
            columns = ask();
        }
        return columns;
    }

    private static int ask() {
        for (String terminal : new String[] {"/proc/self/fd/2", "/dev/tty"}) {
            try {
                Process process = new ProcessBuilder("stty", "size")
                        .redirectInput(new File(terminal))
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
                if (process.waitFor(1, TimeUnit.SECONDS)) {
                    String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
                    int found = columns(answer);
                    if (found > 0) {
                        return found;
                    }
                }
                process.destroy();
            } catch (IOException e) {
                // There is no such file or no such program; the next may be there.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return USUAL;
            }
        }
        return USUAL;
    }

    /**
     * Returns the columns of an answer of {@code stty size}, such as {@code 24 80}; 0 if it is none. Terminals that do not know
     * their size say 0.
     */
    static int columns(String answer) {
        Matcher matcher = SIZE.matcher(answer);
        return matcher.matches() ? Integer.parseInt(matcher.group(2)) : 0;
    }
}
