package io.github.zimage.internal.image;

import io.github.zimage.internal.io.ShownText;
import java.util.Locale;

/** The formats that pictures are written in. */
public enum PictureFormat {
    /** Loses nothing and carries parameters. */
    PNG,

    /** Small; carries no parameters. */
    JPEG;

    /**
     * Returns the format that a file's name asks for by its ending.
     *
     * @param property what names the file, for the message
     * @throws IllegalArgumentException if it asks for another one
     */
    public static PictureFormat of(String name, String property) {
        String lower = name.toLowerCase(Locale.ROOT);
        if (lower.endsWith(".png")) {
            return PNG;
        }
        if (lower.endsWith(".jpg") || lower.endsWith(".jpeg")) {
            return JPEG;
        }
        String reason =
                lower.endsWith(".webp") ? " (WebP cannot be written: no encoder for it is written in Java)" : "";
        throw new IllegalArgumentException(
                "%s must end in .png, .jpg or .jpeg, but was '%s'%s".formatted(property, ShownText.cut(name), reason));
    }
}
