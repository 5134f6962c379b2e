package io.github.zimage.internal.io;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import io.github.zimage.ModelLoadException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Names and first checks of a checkpoint's files, and quoting of what they hold. */
public final class ModelFile {
    private static final int QUOTED_CHARACTERS = 100;

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
        String shown = text.length() <= QUOTED_CHARACTERS ? text : text.substring(0, QUOTED_CHARACTERS) + "…";
        return '"' + printable(shown) + '"';
    }

    /** Returns a text with control characters, line ends and lone surrogates replaced. */
    public static String printable(String text) {
        return text.codePoints()
                .map(c -> switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR -> '\uFFFD';
                    default -> c;
                })
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    /** Returns in one line what was wrong with a JSON text, and where. */
    public static String reason(JsonProcessingException e) {
        String message = printable(e.getOriginalMessage().lines().findFirst().orElse("damaged"));
        String shortened =
                message.length() <= QUOTED_CHARACTERS ? message : message.substring(0, QUOTED_CHARACTERS) + "…";
        JsonLocation at = e.getLocation();
        return at == null
                ? shortened
                : String.format(Locale.ROOT, "%s (line %d, column %d)", shortened, at.getLineNr(), at.getColumnNr());
    }

    /**
     * Returns the size of a file after making sure that it is one: opening a pipe or a device could block for ever.
     *
     * @throws ModelLoadException if it is missing or not a regular file
     */
    public static long size(Path file) {
        if (!Files.exists(file)) {
            throw new ModelLoadException(name(file) + ": the file is missing, looked for in "
                    + printable(String.valueOf(file.toAbsolutePath().getParent())));
        }
        if (!Files.isRegularFile(file)) {
            throw new ModelLoadException(name(file) + ": must be a file, but is "
                    + (Files.isDirectory(file) ? "a folder" : "a special file"));
        }
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /** Returns the refusal of a file that cannot be read. */
    public static ModelLoadException unreadable(Path file, IOException e) {
        String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        String reason = e instanceof AccessDeniedException ? "permission denied" : message;
        return new ModelLoadException(name(file) + ": cannot be read: " + printable(reason), e);
    }
}
