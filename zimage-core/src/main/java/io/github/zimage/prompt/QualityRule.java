package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.List;

/** Two or more words that praise the picture. */
final class QualityRule {
    private QualityRule() {}

    static void check(RuleText rule) {
        List<Match> words = rule.words("quality");
        if (words.size() < 2) {
            return;
        }
        for (int i = 0; i < words.size(); i++) {
            int start = words.get(i).start();
            int end = words.get(i).end();
            while (i + 1 < words.size()
                    && onlySeparators(rule.text, end, words.get(i + 1).start())) {
                end = words.get(++i).end();
            }
            addPile(rule, start, end);
        }
    }

    /** A pile goes together with the separators on one side of it. */
    private static void addPile(RuleText rule, int start, int end) {
        String text = rule.text;
        String pile = text.substring(start, end);
        int after = end;
        while (after < text.length() && RuleText.isSeparator(text.charAt(after))) {
            after++;
        }
        int before = start;
        while (before > 0 && RuleText.isSeparator(text.charAt(before - 1))) {
            before--;
        }
        boolean enclosed = before > 0 && "([{\uFF08".indexOf(text.charAt(before - 1)) >= 0;
        if (enclosed) { // a weight: first that has to go
            rule.add(LintCode.QUALITY_PILE, start, end, null, pile);
        } else if (after == text.length()) {
            rule.add(LintCode.QUALITY_PILE, before, text.length(), "", pile);
        } else {
            boolean item = after > end || before == 0;
            rule.add(LintCode.QUALITY_PILE, start, item ? after : end, "", pile);
        }
    }

    private static boolean onlySeparators(String text, int from, int to) {
        for (int i = from; i < to; i++) {
            if (!RuleText.isSeparator(text.charAt(i))) {
                return false;
            }
        }
        return true;
    }
}
