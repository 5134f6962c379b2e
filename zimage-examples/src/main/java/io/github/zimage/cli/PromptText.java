package io.github.zimage.cli;

import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.FileNames;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A text as it is given on a command line: itself, {@code -} for the standard input, or {@code @FILE} for what a file holds. */
final class PromptText {
    private static final String STANDARD_INPUT = "-";
    private static final String FILE = "@";

    /** More than any prompt may have, in characters of at most four bytes. */
    private static final int MOST_BYTES = 1 << 18;

    private PromptText() {}

    /**
     * Returns the text that is meant. One that begins with {@code @@} is that without the first.
     *
     * @throws IllegalArgumentException if it cannot be read, or is too long or not in UTF-8
     */
    static String of(String given) {
        if (given.equals(STANDARD_INPUT)) {
            return read(System.in);
        }
        if (!given.startsWith(FILE)) {
            return given;
        }
        String name = given.substring(FILE.length());
        return name.startsWith(FILE) ? name : ofFile(FileNames.parse("the prompt", name));
    }

    private static String ofFile(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    "there is no file '%s' to read the prompt from; a prompt that begins with @ is written with @@"
                            .formatted(ShownText.cut(file.toString())));
        }
        try (InputStream in = Files.newInputStream(file)) {
            return read(in, "the prompt in " + ShownText.cut(file.toString()));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read %s: %s".formatted(file, AtomicFile.reason(e)), e);
        }
    }

    /** Returns all of the standard input, but for line ends behind it. */
    static String read(InputStream in) {
        return read(in, "the prompt on the standard input");
    }

    private static String read(InputStream in, String what) {
        try {
            byte[] bytes = in.readNBytes(MOST_BYTES + 1);
            if (bytes.length > MOST_BYTES) {
                throw new IllegalArgumentException(
                        "%s must have at most %d bytes, but has more".formatted(what, MOST_BYTES));
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString()
                    .stripTrailing();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(what + " must be UTF-8, but is not", e);
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot be read: %s".formatted(what, e.getMessage()), e);
        }
    }
}
