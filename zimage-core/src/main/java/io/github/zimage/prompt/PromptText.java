package io.github.zimage.prompt;

import java.util.regex.Pattern;

/** What texts have to be like, to be read, to be a part of a template, or to be the name of one. */
final class PromptText {
    static final int MAX_CHARACTERS = 1 << 16;

    private static final Pattern NAME = Pattern.compile("[a-z0-9]++(?:-[a-z0-9]++){0,20}+");

    private PromptText() {}

    /** Returns a part of a template without the blanks around it. */
    static String checkPart(String name, String part) {
        if (part.indexOf('|') >= 0 || part.indexOf('\n') >= 0 || part.indexOf('\r') >= 0) {
            throw new IllegalArgumentException(
                    "%s must not contain a vertical bar, which separates the parts, or a line break, but was: %s"
                            .formatted(Excerpt.of(name), Excerpt.of(part)));
        }
        return part.strip();
    }

    /** Returns the name of an entry of a library. */
    static String checkName(String name) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "a name is made of lower-case letters, digits and up to 20 hyphens, but was '%s'"
                            .formatted(Excerpt.of(name)));
        }
        return name;
    }
}
