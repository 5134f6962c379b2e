package io.github.zimage.cli;

import java.io.Console;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** What Java does not know about the terminal that it was started from. */
final class Terminal {
    private static final Path PROC = Path.of("/proc/self");

    private Terminal() {}

    /** Returns whether somebody watches the standard error stream. */
    static boolean isInteractive() {
        try {
            Path target = Files.readSymbolicLink(PROC.resolve("fd/2"));
            return target.startsWith("/dev/pts") || target.toString().startsWith("/dev/tty");
        } catch (IOException | UnsupportedOperationException e) {
            return hasConsole();
        }
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
        try {
            String[] all = Files.readString(PROC.resolve("cmdline")).split("\0", -1);
            // What follows the last NUL is not an argument.
            int end = all.length - 1;
            return end < args.length ? args : Arrays.copyOfRange(all, end - args.length, end);
        } catch (IOException e) {
            return args;
        }
    }

    /** Returns a text of a file's, without what would steer a terminal. */
    static String printable(String text) {
        return text.codePoints()
                .map(c -> Character.isISOControl(c) && c != '\n' && c != '\t' ? '\ufffd' : c)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    /** Returns a message in one line, without what would steer a terminal. */
    static String oneLine(String text) {
        return printable(text.strip().replaceAll("\\s*\\R\\s*", "; "));
    }
}
