package io.github.zimage.prompt;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Punctuation, letters and digits whose width does not fit the text around them. */
final class PunctuationRule {
    private static final Pattern HALF_WIDTH = Pattern.compile("(?<=[\\p{IsHan}\uFF09\u201D])[,;:!?](?![0-9]) *+"
            + "|(?<=\\p{IsHan})\\.(?=\\s*+(?:\\p{IsHan}|$))\\s*+|(?<=[A-Za-z0-9])[,;!?] ?(?=\\p{IsHan})");

    private static final Pattern FULL_WIDTH = Pattern.compile("[\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A]++");

    private static final Pattern FULL_WIDTH_MARK = Pattern.compile(
            "(?<=[A-Za-z0-9])\\s*+([\uFF0C\u3002\u3001\uFF1B\uFF1A\uFF01\uFF1F])\\s*+(?=[A-Za-z0-9]|$)");

    private static final Pattern MIXED_BRACKETS =
            Pattern.compile("\uFF08[^()\uFF08\uFF09]{1,60}+(\\))|(\\()[^()\uFF08\uFF09]{1,60}+\uFF09");

    private static final Pattern FULL_WIDTH_STOP = Pattern.compile("[\uFF0C\u3002\u3001\uFF1B\uFF1A\uFF01\uFF1F]");

    private static final String HALF = ",;:!?.()";
    private static final String FULL = "\uFF0C\uFF1B\uFF1A\uFF01\uFF1F\u3002\uFF08\uFF09";

    /** From a full-width letter or digit to the usual one. */
    private static final int WIDTH_OFFSET = 0xFEE0;

    private final RuleText rule;
    private final String text;

    private PunctuationRule(RuleText rule) {
        this.rule = rule;
        text = rule.text;
    }

    static void check(RuleText text) {
        PunctuationRule rule = new PunctuationRule(text);
        rule.narrowMarks();
        rule.wideLetters();
        rule.wideMarks();
        rule.brackets();
    }

    /** Who writes all marks narrow is understood; one width beside the other in one text is a slip. */
    private void narrowMarks() {
        if (!rule.hasAny(",;:!?.") || !FULL_WIDTH_STOP.matcher(text).find()) {
            return;
        }
        for (Matcher matcher = HALF_WIDTH.matcher(text); matcher.find(); ) {
            String full = String.valueOf(FULL.charAt(HALF.indexOf(text.charAt(matcher.start()))));
            add(matcher.start(), matcher.end(), full, matcher.group(), full);
        }
    }

    private void wideLetters() {
        for (Matcher matcher = FULL_WIDTH.matcher(text); matcher.find(); ) {
            StringBuilder narrow = new StringBuilder();
            matcher.group().chars().forEach(c -> narrow.append((char) (c - WIDTH_OFFSET)));
            add(matcher.start(), matcher.end(), narrow.toString(), matcher.group(), narrow.toString());
        }
    }

    private void wideMarks() {
        if (PromptLanguage.hasHan(text)) {
            return;
        }
        for (Matcher matcher = FULL_WIDTH_MARK.matcher(text); matcher.find(); ) {
            char mark = matcher.group(1).charAt(0);
            String half = mark == '\u3001' ? "," : String.valueOf(HALF.charAt(FULL.indexOf(mark)));
            String spaced = matcher.end() == text.length() ? half : half + " ";
            add(matcher.start(), matcher.end(), spaced, matcher.group(1), half);
        }
    }

    private void brackets() {
        if (!rule.hasAny("\uFF08\uFF09")) {
            return;
        }
        for (Matcher matcher = MIXED_BRACKETS.matcher(text); matcher.find(); ) {
            int group = matcher.group(1) != null ? 1 : 2;
            String full = group == 1 ? "\uFF09" : "\uFF08";
            add(matcher.start(group), matcher.end(group), full, matcher.group(group), full);
        }
    }

    private void add(int start, int end, String replacement, String written, String right) {
        rule.add(LintCode.PUNCTUATION_WIDTH, start, end, replacement, written, right);
    }
}
