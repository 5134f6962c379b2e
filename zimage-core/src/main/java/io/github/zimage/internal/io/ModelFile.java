package io.github.zimage.internal.io;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import io.github.zimage.ModelLoadException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Names and first checks of a checkpoint's files, and quoting of what they hold. */
public final class ModelFile {
    private static final int MOST_LINKS = 40;

    private static final Pattern PARSER_LIMIT = Pattern.compile("^(.*) exceeds the maximum allowed \\((\\d+)");
    /** Where the parser begins to speak of its options, its classes or the text's source. */
    private static final Pattern PARSER_ADVICE = Pattern.compile(
            "(\\s*[:;,]?\\s*(enable\\b|not allowed as per)| \\(start marker| \\(bound as| at \\[Source|`).*");

    private ModelFile() {}

    /** Returns the file's name behind that of its folder, such as {@code vae/config.json}. */
    public static String name(Path file) {
        Path absolute = file.toAbsolutePath().normalize();
        int names = absolute.getNameCount();
        return printable(
                names < 2
                        ? absolute.toString()
                        : absolute.subpath(names - 2, names).toString());
    }

    /** Returns a text from a file in quotes, shortened, and without characters that could upset a terminal. */
    public static String quote(String text) {
        return ShownText.quoted(text);
    }

    /** Returns a text with control characters, line ends and lone surrogates replaced. */
    public static String printable(String text) {
        return ShownText.line(text);
    }

    /** Returns a value from a file as text that can be shown, shortened. */
    public static String shown(Object value) {
        return ShownText.cut(value);
    }

    /** Returns in one line what was wrong with a JSON text, and where. */
    public static String reason(JsonProcessingException e) {
        String problem = shown(problem(e));
        JsonLocation at = e.getLocation();
        return at == null
                ? problem
                : String.format(Locale.ROOT, "%s (line %d, column %d)", problem, at.getLineNr(), at.getColumnNr());
    }

    /** Returns the parser's words without those for programmers who use it. */
    private static String problem(JsonProcessingException e) {
        String message = e.getOriginalMessage().lines().findFirst().orElse("damaged");
        Matcher limit = PARSER_LIMIT.matcher(message);
        if (limit.find()) {
            return limit.group(1) + " is beyond zimage's limit of " + limit.group(2);
        }
        return PARSER_ADVICE.matcher(message).replaceFirst("");
    }

    /**
     * Returns the size of a file after making sure that it is one: opening a pipe or a device could block for ever.
     *
     * @throws ModelLoadException if it is missing or not a regular file
     */
    public static long size(Path file) {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class);
        } catch (NoSuchFileException e) {
            throw missing(file);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
        if (!attributes.isRegularFile()) {
            throw new ModelLoadException(name(file) + ": must be a file, but is "
                    + (attributes.isDirectory() ? "a folder" : "a special file"));
        }
        return attributes.size();
    }

    /** Returns the refusal of a file or folder that is missing, or of a link that leads to what is missing. */
    public static ModelLoadException missing(Path file) {
        Path end = file;
        for (int i = 0; i < MOST_LINKS && Files.isSymbolicLink(end); i++) {
            try {
                end = end.resolveSibling(Files.readSymbolicLink(end)).normalize();
            } catch (IOException e) {
                return unreadable(file, e);
            }
        }
        if (!end.equals(file)) {
            return new ModelLoadException(name(file) + ": is a link to " + printable(end.toString())
                    + ", which is missing. Either the download is not complete, or it was copied without what its links lead to"
                    + (end.toString().contains("blobs") ? ": the folder blobs is needed, too" : ""));
        }
        return new ModelLoadException(name(file) + ": the file is missing, looked for in "
                + printable(String.valueOf(file.toAbsolutePath().getParent())));
    }

    /** Returns the refusal of a file that cannot be read. */
    public static ModelLoadException unreadable(Path file, IOException e) {
        String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        String reason = e instanceof AccessDeniedException ? "permission denied" : message;
        return new ModelLoadException(name(file) + ": cannot be read: " + printable(reason), e);
    }
}
