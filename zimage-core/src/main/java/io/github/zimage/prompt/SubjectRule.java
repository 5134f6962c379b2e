package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** More kinds of people and animals, or a larger number of them, than a picture keeps apart. */
final class SubjectRule {
    /** More kinds are a finding. */
    private static final int KINDS = 4;

    /** More people and animals are a finding. */
    private static final int SUBJECTS = 7;

    /** How far before a noun its number is looked for. */
    private static final int NUMBER_REACH = 40;

    private static final String LIVING_CLASSIFIERS = "位名匹头頭";

    private static final Pattern NUMBERED_CHINESE = Pattern.compile(
            "([一二两三四五六七八九十百兩]{1,4}+|[0-9]{1,3}+)\\s*+(位(?!游戏|元|数|像素|画面|色|小数|置)|名|只|匹|头|個|个|群|隻|頭|条|條)([^，。、；,;\\s\\d]{0,6}+)");

    private static final Pattern NUMBERED_ENGLISH = Pattern.compile(
            "(?i)(?<![a-z0-9])(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|a dozen|a hundred|[0-9]{1,3}+)"
                    + "((?:\\s++[a-z-]++){0,2})\\s++$");

    private final RuleText rule;
    private final String text;
    private final List<Match> subjects;
    private int number;
    private int first;
    private int last;

    private SubjectRule(RuleText rule) {
        this.rule = rule;
        text = rule.text;
        subjects = new ArrayList<>();
        for (Match word : rule.words("subject")) {
            if (word.end() - word.start() > 1 || isNumbered(word.start()) || isListed(word)) {
                subjects.add(word);
            }
        }
        first = text.length();
    }

    static void check(RuleText text) {
        new SubjectRule(text).check();
    }

    private void check() {
        Set<String> kinds = new HashSet<>();
        for (Match word : subjects) {
            kinds.add(kind(word.in(text)));
            number += englishNumber(word);
            first = Math.min(first, word.start());
            last = word.end();
        }
        addChineseNumbers();
        if (kinds.size() > KINDS || number > SUBJECTS) {
            rule.add(LintCode.TOO_MANY_SUBJECTS, first, last, null, Integer.toString(Math.max(kinds.size(), number)));
        }
    }

    private int englishNumber(Match word) {
        if (!Lexicon.isLatin(text.charAt(word.start()))) {
            return 0;
        }
        Matcher matcher =
                NUMBERED_ENGLISH.matcher(text.substring(Math.max(0, word.start() - NUMBER_REACH), word.start()));
        return matcher.find() ? PromptNumbers.parse(matcher.group(1)) : 0;
    }

    /** Numbers count where the classifier is one of the living, or a subject follows. */
    private void addChineseNumbers() {
        int next = 0; // the first subject that does not begin before the classifier ends
        for (Matcher matcher = NUMBERED_CHINESE.matcher(text); matcher.find(); ) {
            while (next < subjects.size() && subjects.get(next).start() < matcher.end(2)) {
                next++;
            }
            boolean subjectFollows =
                    next < subjects.size() && subjects.get(next).start() <= matcher.end(3);
            if (subjectFollows || LIVING_CLASSIFIERS.contains(matcher.group(2))) {
                number += PromptNumbers.parse(matcher.group(1));
                first = Math.min(first, matcher.start());
                last = Math.max(last, matcher.end(2));
            }
        }
    }

    private static String kind(String word) {
        String lower = word.toLowerCase(Locale.ROOT);
        return lower.length() > 3 && lower.endsWith("s") ? lower.substring(0, lower.length() - 1) : lower;
    }

    private boolean isNumbered(int start) {
        return start > 0 && "位名只匹头条个隻頭條個".indexOf(text.charAt(start - 1)) >= 0;
    }

    private boolean isListed(Match word) {
        boolean before = word.start() == 0 || "、，和与及,".indexOf(text.charAt(word.start() - 1)) >= 0;
        boolean after = word.end() == text.length() || "、，和与及,在".indexOf(text.charAt(word.end())) >= 0;
        return before && after;
    }
}
