package io.github.zimage.internal.io;

import java.util.regex.Pattern;

/**
 * Texts that others wrote, as terminals, logs and messages may show them: without what would steer a terminal, turn the direction of
 * writing, hide, or begin a line of its own. Each character of Unicode's categories Cc, Cf, Cs, Zl and Zp is replaced by U+FFFD.
 */
public final class ShownText {
    private static final int QUOTED_CHARACTERS = 100;
    private static final int REPLACEMENT = 0xFFFD;
    private static final Pattern LINE_END = Pattern.compile("\\s*\\R\\s*");

    private ShownText() {}

    /** Returns a text of one line; line ends and tabs are replaced like all others. */
    public static String line(String text) {
        return mapped(text, false);
    }

    /** Returns a text of several lines, in which line feeds and tabs stay. */
    public static String lines(String text) {
        return mapped(text.replace("\r\n", "\n"), true);
    }

    /** Returns a text of several lines in one, with semicolons between them. */
    public static String joined(String text) {
        return line(LINE_END.matcher(text.strip()).replaceAll("; "));
    }

    /** Returns at most 100 characters of a value, in one line, with an ellipsis if there were more. */
    public static String cut(Object value) {
        return cut(String.valueOf(value), QUOTED_CHARACTERS);
    }

    /**
     * As the other one, with a limit of its own.
     *
     * @param most how many characters of Unicode; above 0
     */
    public static String cut(String text, int most) {
        // Before anything else: texts from outside may be long.
        if (text.length() <= most || text.codePointCount(0, text.length()) <= most) {
            return line(text);
        }
        return line(text.substring(0, text.offsetByCodePoints(0, most))) + "…";
    }

    /** Returns at most 100 characters of a text, in one line and in quotation marks. */
    public static String quoted(String text) {
        return '"' + cut(text) + '"';
    }

    /** Returns a JSON text with the same meaning, in which what would be replaced elsewhere is written as an escape. */
    public static String escapedJson(String json) {
        StringBuilder text = new StringBuilder(json.length());
        json.codePoints().forEach(c -> {
            if (isShown(c) || c == '\n' || c == '\t') {
                text.appendCodePoint(c);
            } else {
                for (char unit : Character.toChars(c)) {
                    text.append("\\u%04x".formatted((int) unit));
                }
            }
        });
        return text.toString();
    }

    private static String mapped(String text, boolean keepsLines) {
        return text.codePoints()
                .map(c -> isShown(c) || (keepsLines && (c == '\n' || c == '\t')) ? c : REPLACEMENT)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    private static boolean isShown(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }
}
