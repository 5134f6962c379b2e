package io.github.zimage.prompt;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A prompt in Chinese and in English, written {@code 中文 // English} or the other way round.
 *
 * <p>Z-Image reads both languages and takes such a prompt as it stands. Whether two halves say more than one, or whether
 * one language suits a model better, is folklore: compare {@link #text(Encoding)} of all three on yours.
 *
 * @param chinese the Chinese half, not blank
 * @param english the English half, not blank
 */
public record BilingualPrompt(String chinese, String english) {
    /** What of a bilingual prompt the model gets to read. */
    public enum Encoding {
        /** Both halves, Chinese first, with the separator. This is the default. */
        BOTH,
        /** The Chinese half. */
        CHINESE,
        /** The English half. */
        ENGLISH
    }

    static final String SEPARATOR = " // ";

    private static final Pattern SLASHES = Pattern.compile("\\s//\\s");

    /** @throws IllegalArgumentException if a half is blank or has the separator in it */
    public BilingualPrompt {
        chinese = checked("chinese", chinese);
        english = checked("english", english);
    }

    /**
     * Reads a prompt: two parts with {@code //} and spaces between them, of which exactly one has Chinese characters
     * outside quotation marks.
     *
     * @return the prompt, or empty if the text is not bilingual
     */
    public static Optional<BilingualPrompt> parse(String text) {
        int[] halves = halves(Quotes.masked(text));
        if (halves.length == 0) {
            return Optional.empty();
        }
        String first = text.substring(0, halves[0]).strip();
        String second = text.substring(halves[1]).strip();
        boolean chineseFirst = PromptLanguage.hasHan(Quotes.masked(first));
        return Optional.of(chineseFirst ? new BilingualPrompt(first, second) : new BilingualPrompt(second, first));
    }

    /** Returns the prompt to give to the model. */
    public String text(Encoding encoding) {
        return switch (encoding) {
            case BOTH -> toString();
            case CHINESE -> chinese;
            case ENGLISH -> english;
        };
    }

    /** Returns both halves, Chinese first, as {@link #parse(String)} reads them. */
    @Override
    public String toString() {
        return chinese + SEPARATOR + english;
    }

    /** Returns where the first half ends and the second begins, or an empty array for a text that is not bilingual. */
    static int[] halves(String masked) {
        var matcher = SLASHES.matcher(masked);
        if (!matcher.find()) {
            return new int[0];
        }
        int end = matcher.start();
        int start = matcher.end();
        String first = masked.substring(0, end);
        String second = masked.substring(start);
        boolean two = !first.isBlank()
                && !second.isBlank()
                && !SLASHES.matcher(second).find();
        return two && PromptLanguage.hasHan(first) != PromptLanguage.hasHan(second)
                ? new int[] {end, start}
                : new int[0];
    }

    private static String checked(String name, String half) {
        String stripped = half.strip();
        if (stripped.isEmpty()) {
            throw new IllegalArgumentException("%s must not be blank".formatted(name));
        }
        if (SLASHES.matcher(Quotes.masked(" " + stripped + " ")).find()) {
            throw new IllegalArgumentException("%s must not contain ' // ', which separates the halves, but was: %s"
                    .formatted(name, Excerpt.of(stripped)));
        }
        return stripped;
    }
}
