package io.github.zimage.prompt;

import java.util.List;
import java.util.function.Consumer;

/** The rules that need no dictionary. */
final class PromptRules {
    private static final List<Consumer<RuleText>> RULES = List.of(
            IntensifierRule::check,
            QualityRule::check,
            ContradictionRule::check,
            CaptionRule::check,
            SubjectRule::check,
            SyntaxRule::check,
            NegativeRule::check,
            PunctuationRule::check);

    private PromptRules() {}

    /**
     * Returns what is found in a text, or in a half of a bilingual one.
     *
     * @param masked the text with its quoted parts masked
     */
    static List<LintFinding> check(String masked) {
        RuleText text = new RuleText(masked);
        RULES.forEach(rule -> rule.accept(text));
        return text.found();
    }
}
