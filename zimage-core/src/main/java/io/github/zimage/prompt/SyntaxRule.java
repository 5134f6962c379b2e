package io.github.zimage.prompt;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Weights, and the syntax of other programs. */
final class SyntaxRule {
    private static final String OPENING_BRACKETS = "([{\uFF08";

    /** All blanks before what follows. They are tried from the first of them only, for many a run would take quadratic time. */
    private static final String AFTER_BLANKS = "(?:(?<!\\s)|\\G)\\s*+";

    private static final Pattern WEIGHT = Pattern.compile(
            "[(\uFF08]([^()\uFF08\uFF09:\uFF1A]{0,79}[^()\uFF08\uFF09:\uFF1A\\d\\s])\\s*+[:\uFF1A]\\s*+-?\\d(?:\\.\\d{1,3})?\\s*+[)\uFF09]"
                    + "|\\({2,8}([^()]{1,80})\\){2,8}|\\[{2,8}([^\\[\\]]{1,80})\\]{2,8}|\\{{2,8}([^{}]{1,80})\\}{2,8}"
                    + "|(?<=[\\p{L}\\p{N}])::-?\\d(?:\\.\\d{1,3})?(?![\\p{L}\\p{N}])");

    private static final Pattern SWITCH = Pattern.compile(
            AFTER_BLANKS
                    + "--(?:no\\s++(?:(?!--)[^\\n]){0,200}+|(?:ar|aspect|v|version|niji|s|stylize|style|q|quality|c|chaos|seed|stop|iw"
                    + "|tile|w|weird|cref|sref|cw|sw|raw|hd|test|uplight|video|profile|p)(?![\\p{L}\\p{N}])(?:\\s++(?!--)[\\w.:/]++)?+)");

    private static final Pattern TAG = Pattern.compile(
            "(?:[,\uFF0C]|(?<![\\s,\uFF0C])|\\G)\\s*+<(?:lora|lyco|lycoris|loha|locon|hypernet|embedding|ti)\\s*+:[^<>]{1,100}+>",
            Pattern.CASE_INSENSITIVE);

    private static final Pattern BREAK =
            Pattern.compile(AFTER_BLANKS + "(?<![\\p{L}\\p{N}])BREAK(?![\\p{L}\\p{N}])\\s*+");

    private static final Pattern CHOICE = Pattern.compile(
            "\\{[^{}|]{1,60}+(?:\\|[^{}|]{1,60}+){1,20}+\\}|\\[[^\\[\\]:|]{1,60}+:[^\\[\\]:|]{0,60}+:\\s*+\\d(?:\\.\\d++)?+\\]|\\[[^\\[\\]:|]{1,60}+(?:\\|[^\\[\\]:|]{1,60}+){1,20}+\\]");

    private final RuleText rule;

    private SyntaxRule(RuleText rule) {
        this.rule = rule;
    }

    static void check(RuleText text) {
        SyntaxRule rule = new SyntaxRule(text);
        boolean bracketed = text.hasAny(OPENING_BRACKETS);
        if (bracketed || text.text.contains("::")) {
            rule.weights();
        }
        if (text.text.contains("--")) {
            rule.add(SWITCH, "");
        }
        if (text.text.indexOf('<') >= 0) {
            rule.add(TAG, "");
        }
        rule.breaks();
        if (bracketed) {
            rule.add(CHOICE, null);
        }
    }

    private void weights() {
        for (Matcher matcher = WEIGHT.matcher(rule.text); matcher.find(); ) {
            String inner = "";
            for (int group = 1; group <= matcher.groupCount(); group++) {
                inner = matcher.group(group) != null ? matcher.group(group) : inner;
            }
            rule.add(LintCode.PROMPT_WEIGHT, matcher.start(), matcher.end(), inner, matcher.group());
        }
    }

    private void breaks() {
        String text = rule.text;
        String comma = PromptLanguage.hasHan(text) ? "\uFF0C" : ", ";
        for (Matcher matcher = BREAK.matcher(text); matcher.find(); ) {
            boolean edge = matcher.start() == 0 || matcher.end() == text.length();
            boolean separated = !edge && RuleText.isSeparator(text.charAt(matcher.start() - 1));
            String replacement = edge ? "" : separated ? " " : comma;
            add(matcher, replacement);
        }
    }

    private void add(Pattern pattern, @Nullable String replacement) {
        for (Matcher matcher = pattern.matcher(rule.text); matcher.find(); ) {
            add(matcher, replacement);
        }
    }

    private void add(Matcher matcher, @Nullable String replacement) {
        rule.add(
                LintCode.OTHER_SYNTAX,
                matcher.start(),
                matcher.end(),
                replacement,
                matcher.group().strip());
    }
}
