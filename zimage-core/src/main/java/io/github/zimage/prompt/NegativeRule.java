package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A negative prompt within the prompt. */
final class NegativeRule {
    /** How far before a defect its negation is looked for. */
    private static final int REACH = 24;

    private static final Pattern NEGATIVE_MARK = Pattern.compile(
            "(?i:(?<![a-z])negative(?:\\s++prompts?)?)\\s*+[:\uFF1A]|(?:负面|反向|负向|反面|負面|反向|負向)(?:提示词|提示語|提示词语|提示|词|詞)\\s*+[:\uFF1A]");

    private static final Pattern NEGATION = Pattern.compile(
            "(?i)(?<![a-z])(?:no|without|avoid|avoiding|exclude|excluding|free of|do not include|don[’']t include|don[’']t draw)"
                    + "(?:\\s++(?:any|all))?\\s*+$|(?:不要出现|不要有|不要|没有|无|避免出现|避免|禁止出现|禁止|不能有|不含|去除|去掉|拒绝|沒有|無)(?:任何)?\\s*+$");

    private NegativeRule() {}

    static void check(RuleText rule) {
        if (rule.hasAny(":\uFF1A")) {
            for (Matcher matcher = NEGATIVE_MARK.matcher(rule.text); matcher.find(); ) {
                rule.add(LintCode.NEGATIVE_PROMPT, matcher.start(), matcher.end(), null, matcher.group());
            }
        }
        for (Match defect : rule.words("defect")) {
            int from = Math.max(0, defect.start() - REACH);
            Matcher matcher = NEGATION.matcher(rule.text.substring(from, defect.start()));
            if (matcher.find()) {
                int start = from + matcher.start();
                rule.add(LintCode.NEGATIVE_PROMPT, start, defect.end(), null, rule.text.substring(start, defect.end()));
            }
        }
    }
}
