package io.github.zimage.prompt;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Something that a lint rule found in a prompt.
 *
 * @param code the rule
 * @param start where the place begins, as {@link String#substring(int, int)} counts; never inside a surrogate pair
 * @param end where it ends, exclusive
 * @param replacement what {@link PromptLint#fixed()} puts in that place, or null where only the author can tell
 * @param arguments what the message names: words of the prompt, numbers; see {@link #message(Locale)}
 */
public record LintFinding(
        LintCode code, int start, int end, @Nullable String replacement, List<String> arguments) {
    /** Among the arguments of {@link LintCode#TOO_LONG}: characters were counted, not tokens. */
    static final String IN_CHARACTERS = "characters";

    /** @throws IllegalArgumentException if the place is not one */
    public LintFinding {
        Objects.requireNonNull(code, "code");
        arguments = List.copyOf(arguments);
        if (start < 0 || end < start) {
            throw new IllegalArgumentException(
                    "start must not be negative nor above end, but they were %d and %d".formatted(start, end));
        }
    }

    /** Returns how much it matters. */
    public LintSeverity severity() {
        return code.severity();
    }

    /**
     * Returns what is wrong and what to do about it, in Chinese for Chinese locales and in English otherwise. Arguments are
     * cut at 100 characters.
     */
    public String message(Locale locale) {
        return Messages.format(
                locale, key(), arguments.stream().map(Excerpt::of).toList());
    }

    private String key() {
        return switch (code) {
            case TOO_LONG ->
                arguments.contains(IN_CHARACTERS)
                        ? "TOO_LONG.characters"
                        : arguments.size() > 2 ? "TOO_LONG.estimated" : "TOO_LONG";
            case NEGATIVE_PROMPT -> arguments.isEmpty() ? "NEGATIVE_PROMPT.unused" : "NEGATIVE_PROMPT";
            case LITERAL_IDIOM -> arguments.size() > 1 ? "LITERAL_IDIOM.described" : "LITERAL_IDIOM";
            default -> code.name();
        };
    }

    LintFinding shifted(int by) {
        return new LintFinding(code, start + by, end + by, replacement, arguments);
    }

    LintFinding withoutReplacement() {
        return new LintFinding(code, start, end, null, arguments);
    }
}
