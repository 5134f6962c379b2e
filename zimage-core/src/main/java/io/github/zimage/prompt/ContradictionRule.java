package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Two traits that exclude each other, unless the prompt speaks of a picture in the picture. */
final class ContradictionRule {
    private ContradictionRule() {}

    static void check(RuleText rule) {
        if (!rule.words("depiction").isEmpty()) {
            return;
        }
        Map<String, Match> firstOfTrait = new LinkedHashMap<>();
        Set<String> reported = new HashSet<>();
        for (Match later : rule.words("trait")) {
            for (Match earlier : firstOfTrait.values()) { // no more than there are traits in the lexicon
                if (Lexicon.instance().conflict(earlier.value(), later.value())
                        && reported.add(earlier.value() + later.value())) {
                    rule.add(
                            LintCode.CONTRADICTION,
                            later.start(),
                            later.end(),
                            null,
                            earlier.in(rule.text),
                            later.in(rule.text));
                    break;
                }
            }
            firstOfTrait.putIfAbsent(later.value(), later);
        }
    }
}
