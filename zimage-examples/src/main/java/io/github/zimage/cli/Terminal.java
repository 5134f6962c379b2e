package io.github.zimage.cli;

import io.github.zimage.internal.system.SystemFiles;
import java.io.Console;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What Java does not know about the terminal that it was started from. */
final class Terminal {
    private static final int STANDARD_INPUT = 0;
    private static final int STANDARD_OUTPUT = 1;
    private static final int STANDARD_ERROR = 2;

    private Terminal() {}

    /** Returns whether somebody watches the standard error stream. */
    static boolean isInteractive() {
        return isTerminal(STANDARD_ERROR);
    }

    /** Returns whether what is printed goes to a terminal and not to a file or another program. */
    static boolean isOutputWatched() {
        return isTerminal(STANDARD_OUTPUT);
    }

    /** Returns whether somebody can be asked: what is typed is read, and questions are seen. */
    static boolean isConversation() {
        return isTerminal(STANDARD_INPUT) && isInteractive();
    }

    /** Returns whether the next line that is typed agrees. An end of the input does not. */
    static boolean saysYes() {
        StringBuilder line = new StringBuilder();
        try {
            for (int c = System.in.read(); c >= 0 && c != '\n'; c = System.in.read()) {
                line.append((char) c);
            }
        } catch (IOException e) {
            return false;
        }
        return line.toString().strip().toLowerCase(Locale.ROOT).matches("y|yes");
    }

    /** Returns whether the terminal can do no more than print one line below the other. */
    static boolean isDumb() {
        return List.of("dumb", "unknown").contains(System.getenv().getOrDefault("TERM", ""));
    }

    private static boolean isTerminal(int stream) {
        Path target = SystemFiles.ofThisMachine().link("proc/self/fd/" + stream);
        return target == null
                ? hasConsole()
                : target.startsWith("/dev/pts")
                        || target.toString().startsWith("/dev/tty")
                        || target.equals(Path.of("/dev/console"));
    }

    /** From JDK 22 on there is always a console, and it is asked whether it is a terminal. */
    @SuppressWarnings("SystemConsoleNull") // it is null up to JDK 21
    private static boolean hasConsole() {
        Console console = System.console();
        try {
            return console != null
                    && (boolean) Console.class.getMethod("isTerminal").invoke(console);
        } catch (NoSuchMethodException e) {
            return console != null;
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }

    /**
     * Returns what terminals read: UTF-8 but on Windows. Where no locale is set, as in most containers, Java would take ASCII.
     */
    static Charset charset() {
        boolean windows = System.getProperty("os.name", "").startsWith("Windows");
        String encoding = System.getProperty("stdout.encoding", System.getProperty("native.encoding", "UTF-8"));
        return windows ? Charset.forName(encoding) : StandardCharsets.UTF_8;
    }

    /** Returns the arguments as they were typed. Java loses everything but ASCII where no locale is set. */
    static String[] decodedArguments(String[] args) {
        if (Arrays.stream(args).noneMatch(arg -> arg.indexOf('\ufffd') >= 0)) {
            return args;
        }
        String[] all = SystemFiles.ofThisMachine().text("proc/self/cmdline").split("\0", -1);
        // What follows the last NUL is not an argument.
        int end = all.length - 1;
        return end < args.length ? args : Arrays.copyOfRange(all, end - args.length, end);
    }
}
