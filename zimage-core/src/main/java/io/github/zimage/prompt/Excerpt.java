package io.github.zimage.prompt;

/** What messages show of texts that may be of any length. */
final class Excerpt {
    private static final int CHARACTERS = 100;

    private Excerpt() {}

    /** Returns a text, or its first 99 characters and an ellipsis if it has more than 100. */
    static String of(String text) {
        if (text.length() <= CHARACTERS) {
            return text;
        }
        int end = CHARACTERS - 1;
        return text.substring(0, Character.isHighSurrogate(text.charAt(end - 1)) ? end - 1 : end) + "\u2026";
    }
}
