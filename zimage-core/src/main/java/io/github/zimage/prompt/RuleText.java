package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A text that the rules read, with its quoted parts masked; the words of the lexicon in it; and what has been found. A
 * rule takes time in proportion to the length of the text, whatever the text is: anybody may send one.
 */
final class RuleText {
    final String text;
    private final Map<String, List<Match>> words;
    private final List<LintFinding> found = new ArrayList<>();

    RuleText(String masked) {
        text = masked;
        words = Lexicon.instance().matches(masked);
    }

    /** Returns the words of a category, in the order of the text. */
    List<Match> words(String category) {
        return words.getOrDefault(category, List.of());
    }

    /** Returns whether one of these characters stands in the text. */
    boolean hasAny(String characters) {
        return text.chars().anyMatch(c -> characters.indexOf(c) >= 0);
    }

    void add(LintCode code, int start, int end, @Nullable String replacement, String... arguments) {
        found.add(new LintFinding(code, start, end, replacement, List.of(arguments)));
    }

    List<LintFinding> found() {
        return found;
    }

    /** Returns whether a character separates the items of an enumeration. */
    static boolean isSeparator(char c) {
        return " ,;\uFF0C\u3001\uFF1B".indexOf(c) >= 0;
    }
}
