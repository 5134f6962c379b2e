package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Compares the halves of a bilingual prompt. */
final class BilingualRule {
    private static final Pattern CHINESE_NUMBER = Pattern.compile(
            "([二两三四五六七八九十百兩]{1,4}+|[0-9]{1,3}+)\\s*+(?=[只隻个個位名匹头頭条條张張把朵支枝本辆輛艘座棵株件片块塊杯碗瓶盏盞顶頂双雙对對颗顆粒根串排架台幅间間群束])");

    private BilingualRule() {}

    /**
     * @param prompt as it was written
     * @param masked the same with quoted text masked
     * @param halves where the first half ends and the second begins
     */
    static List<LintFinding> check(String prompt, String masked, int[] halves) {
        boolean chineseFirst = PromptLanguage.hasHan(masked.substring(0, halves[0]));
        int chineseStart = chineseFirst ? 0 : halves[1];
        int chineseEnd = chineseFirst ? halves[0] : masked.length();
        int englishStart = chineseFirst ? halves[1] : 0;
        int englishEnd = chineseFirst ? masked.length() : halves[0];
        String chinese = masked.substring(chineseStart, chineseEnd);
        String english = masked.substring(englishStart, englishEnd);

        List<LintFinding> found = new ArrayList<>();
        Set<String> chineseNumbers = chineseNumbers(chinese);
        Set<String> englishNumbers = values("number", english);
        compare(chineseNumbers, englishNumbers, englishStart, englishEnd, found);
        compare(values("colour", chinese), values("colour", english), englishStart, englishEnd, found);
        compare(
                new TreeSet<>(Quotes.contents(prompt.substring(chineseStart, chineseEnd))),
                new TreeSet<>(Quotes.contents(prompt.substring(englishStart, englishEnd))),
                englishStart,
                englishEnd,
                found);
        return found;
    }

    private static void compare(Set<String> chinese, Set<String> english, int start, int end, List<LintFinding> found) {
        if (!chinese.equals(english)) {
            found.add(new LintFinding(
                    LintCode.BILINGUAL_MISMATCH, start, end, null, List.of(listed(chinese), listed(english))));
        }
    }

    private static String listed(Set<String> values) {
        return values.isEmpty() ? "-" : String.join(", ", values);
    }

    private static Set<String> values(String category, String text) {
        Set<String> result = new TreeSet<>();
        for (Match match : Lexicon.instance().matches(text).getOrDefault(category, List.of())) {
            result.add(match.value());
        }
        return result;
    }

    private static Set<String> chineseNumbers(String text) {
        Set<String> result = new TreeSet<>();
        for (Matcher matcher = CHINESE_NUMBER.matcher(text); matcher.find(); ) {
            result.add(Integer.toString(PromptNumbers.parse(matcher.group(1))));
        }
        return result;
    }
}
