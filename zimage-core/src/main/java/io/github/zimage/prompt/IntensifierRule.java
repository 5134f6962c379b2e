package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.BitSet;
import java.util.List;
import java.util.Set;

/** Intensifiers that are doubled, and the second and later of a prompt that has three or more. */
final class IntensifierRule {
    /** More of these are a finding. */
    private static final int ALLOWED = 2;

    /** Doubled, these are other words (太太 is a lady). */
    private static final Set<String> DOUBLED_WORDS = Set.of("太", "好", "真");

    private final RuleText rule;
    private final String text;

    /** Where a word begins that belongs to a repetition. */
    private final BitSet repeated = new BitSet();

    private IntensifierRule(RuleText rule) {
        this.rule = rule;
        text = rule.text;
    }

    static void check(RuleText text) {
        IntensifierRule rule = new IntensifierRule(text);
        rule.repetitions();
        rule.surplus();
    }

    /** Of a repetition ("very very very"), the last word stays. */
    private void repetitions() {
        List<Match> words = rule.words("repeatable");
        int done = 0;
        for (int i = 0; i < words.size(); i++) {
            Match word = words.get(i);
            String unit = word.start() < done ? "" : unitFrom(word);
            if (unit.isEmpty() || DOUBLED_WORDS.contains(unit)) {
                continue;
            }
            int last = lastOf(unit, word.start());
            if (last > word.start()) {
                done = last + unit.length();
                for (int j = i; j < words.size() && words.get(j).start() < done; j++) {
                    repeated.set(words.get(j).start());
                }
                rule.add(LintCode.REPEATED_INTENSIFIER, word.start(), last, "", text.substring(word.start(), done));
            }
        }
    }

    /** Returns the word itself, or together with the characters after it where these are repeated with it (很高很高). */
    private String unitFrom(Match word) {
        if (Lexicon.isLatin(text.charAt(word.start()))) {
            return word.in(text);
        }
        for (int extra = 0; extra <= 2; extra++) {
            int end = word.end() + extra;
            if (end <= text.length()
                    && !DOUBLED_WORDS.contains(text.substring(word.start(), end))
                    && !Character.isSurrogate(text.charAt(end - 1))
                    && text.startsWith(text.substring(word.start(), end), end)) {
                return text.substring(word.start(), end);
            }
        }
        return word.in(text);
    }

    /** Returns where the last of a row of equal words begins. */
    private int lastOf(String unit, int start) {
        int last = start;
        int next = skipSeparator(start + unit.length());
        while (text.regionMatches(true, next, unit, 0, unit.length()) && isWordEnd(next + unit.length())) {
            last = next;
            next = skipSeparator(next + unit.length());
        }
        return last;
    }

    private int skipSeparator(int index) {
        int result = index;
        while (result < text.length() && (text.charAt(result) == ' ' || text.charAt(result) == ',')) {
            result++;
        }
        return result;
    }

    private boolean isWordEnd(int index) {
        return index >= text.length()
                || !Lexicon.isLatin(text.charAt(index - 1))
                || !Lexicon.isLatin(text.charAt(index));
    }

    /** Of more than two intensifiers, a repetition counting as one, the first stays. */
    private void surplus() {
        List<Match> all = rule.words("intensifier");
        List<Match> apart =
                all.stream().filter(word -> !repeated.get(word.start())).toList();
        int number = apart.size() + (apart.size() < all.size() ? 1 : 0);
        if (number <= ALLOWED) {
            return;
        }
        for (Match word : apart) {
            if (word.start() == all.get(0).start()) {
                continue;
            }
            int end = word.end();
            while (end < text.length() && text.charAt(end) == ' ') {
                end++;
            }
            if (end < text.length() && text.charAt(end) == '\u5730') { // 地
                end++;
            }
            rule.add(LintCode.REPEATED_INTENSIFIER, word.start(), end, "", word.in(text));
        }
    }
}
