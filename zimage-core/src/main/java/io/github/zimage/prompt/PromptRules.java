package io.github.zimage.prompt;

import io.github.zimage.prompt.Lexicon.Match;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The rules that need no dictionary. They read text whose quoted parts are masked. */
final class PromptRules {
    /** More of these are a finding. */
    private static final int INTENSIFIERS = 2;

    /** Doubled, these are other words (太太 is a lady). */
    private static final Set<String> DOUBLED_WORDS = Set.of("太", "好", "真");

    private static final int SUBJECT_KINDS = 4;
    private static final int SUBJECTS = 7;

    private static final Pattern WEIGHT = Pattern.compile(
            "[(\uFF08]([^()\uFF08\uFF09:\uFF1A]{0,79}[^()\uFF08\uFF09:\uFF1A\\d\\s])\\s*[:\uFF1A]\\s*-?\\d(?:\\.\\d{1,3})?\\s*[)\uFF09]"
                    + "|\\({2,8}([^()]{1,80})\\){2,8}|\\[{2,8}([^\\[\\]]{1,80})\\]{2,8}|\\{{2,8}([^{}]{1,80})\\}{2,8}"
                    + "|(?<=[\\p{L}\\p{N}])::-?\\d(?:\\.\\d{1,3})?(?![\\p{L}\\p{N}])");

    private static final Pattern SWITCH = Pattern.compile(
            "\\s*--(?:no\\s+(?:(?!--)[^\\n]){1,200}|(?:ar|aspect|v|version|niji|s|stylize|style|q|quality|c|chaos|seed|stop|iw"
                    + "|tile|w|weird|cref|sref|cw|sw|raw|hd|test|uplight|video|profile|p)(?![\\p{L}\\p{N}])(?:\\s+(?!--)[\\w.:/]+)?)");

    private static final Pattern TAG = Pattern.compile(
            ",?\\s*<(?:lora|lyco|lycoris|loha|locon|hypernet|embedding|ti)\\s*:[^<>]{1,100}>|\uFF0C?\\s*<(?:lora|lyco|lycoris|loha|locon|hypernet|embedding|ti)\\s*:[^<>]{1,100}>",
            Pattern.CASE_INSENSITIVE);

    private static final Pattern BREAK = Pattern.compile("\\s*(?<![\\p{L}\\p{N}])BREAK(?![\\p{L}\\p{N}])\\s*");

    private static final Pattern CHOICE = Pattern.compile(
            "\\{[^{}|]{1,60}(?:\\|[^{}|]{1,60}){1,20}\\}|\\[[^\\[\\]:|]{1,60}:[^\\[\\]:|]{0,60}:\\s*\\d(?:\\.\\d+)?\\]|\\[[^\\[\\]:|]{1,60}(?:\\|[^\\[\\]:|]{1,60}){1,20}\\]");

    private static final Pattern NEGATIVE_MARK = Pattern.compile(
            "(?i:(?<![a-z])negative(?:\\s+prompts?)?)\\s*[:\uFF1A]|(?:负面|反向|负向|反面|負面|反向|負向)(?:提示词|提示語|提示词语|提示|词|詞)\\s*[:\uFF1A]");

    private static final Pattern NEGATION = Pattern.compile(
            "(?i)(?<![a-z])(?:no|without|avoid|avoiding|exclude|excluding|free of|do not include|don[’']t include|don[’']t draw)"
                    + "(?:\\s+(?:any|all))?\\s*$|(?:不要出现|不要有|不要|没有|无|避免出现|避免|禁止出现|禁止|不能有|不含|去除|去掉|拒绝|沒有|無)(?:任何)?\\s*$");

    private static final Pattern CHINESE_CAPTION = Pattern.compile(
            "(?:写着|写有|写了|写上|刻着|刻有|印着|印有|题着|题有|绣着|标着|寫著|寫有|寫了|刻著|印著|(?:标题|片名|书名|店名|标语|口号|字幕)(?:写着|为|是|叫|：|:)"
                    + "|(?:招牌|灯牌|霓虹灯|屏幕|显示屏|路牌|横幅|门牌|标牌|看板)(?:上)?(?:显示着|显示|写)(?!着))"
                    + "([\\p{IsHan}\\p{L}\\p{N}][^，。；,;！？!?\\n“”\"「」『』《》]{0,40})");

    private static final Pattern CHINESE_CAPTION_END = Pattern.compile(
            "字样|[一二两三四五六七八九十几]个(?:大)?字|(?:几个)?大字|的(?:牌子|木牌|招牌|横幅|标语|纸|纸条|卡片|纸板|旗子|旗帜|T恤|海报|标签|杯子|字条|条幅|信封)");

    private static final Pattern NOT_A_CAPTION = Pattern.compile(
            "(?:花纹|图案|纹样|纹饰|标志|标识|浮雕|图腾|符号|花卉|诗句|文字|经文|符文|咒语|公式|代码|数字|字母|编号|刻度|地名|红线|路线|等高线|梵文|古文|铭文|汉字|英文|中文|小字|的字|日记|信|作业|毛笔字|书法|星空图|龙凤|莲花|人像|头像)$");

    private static final Pattern ENGLISH_CAPTION = Pattern.compile(
            "(?i)(?<![a-z])(?:that says|which says|that reads|which reads|label?led(?: with| as)?|titled|entitled|captioned|inscribed with|engraved with the words?"
                    + "|with (?:the|a) (?:words?|text|title|inscription|headline|caption|slogan|message|phrase|lettering)(?: of)?"
                    + "|(?:sign|signs|banner|poster|billboard|label|screen|board|placard|plaque|flag|note|card|sticker|badge|marquee)\\s+(?:saying|reading|says|reads))"
                    + "\\s*:?\\s+(?![\"“'‘「『])([\\p{L}\\p{N}][^,.;!?\\n\"“”]{0,60})");

    private static final Pattern WRITTEN_ON = Pattern.compile(
            "(?i)(?<![a-z])with\\s+(?!the |a |an |his |her |their |some |something )([\\p{L}\\p{N}][^,.;!?\\n\"“”]{0,40}?)\\s+written\\s+(?:on|in|across)(?![a-z])");

    private static final Pattern ENGLISH_CAPTION_END = Pattern.compile(
            "(?i)\\s+(?:(?:written|printed|painted|engraved)?\\s*(?:on|above|below|in|at|across|over|under|next|beside|behind|hanging|standing|and|with|from|while|as)(?![a-z])"
                    + "(?:\\s+(?:it|the|a|an|his|her|its|their|big|bold|gold|golden|red|white|black|neon|large)(?![a-z]))).*");

    private static final Pattern NUMBERED_CHINESE = Pattern.compile(
            "([一二两三四五六七八九十百兩]{1,4}|[0-9]{1,3})\\s*(位(?!游戏|元|数|像素|画面|色|小数|置)|名|只|匹|头|個|个|群|隻|頭|条|條)([^，。、；,;\\s\\d]{0,6})");

    private static final Pattern NUMBERED_ENGLISH = Pattern.compile(
            "(?i)(?<![a-z0-9])(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|a dozen|a hundred|[0-9]{1,3})"
                    + "((?:\\s+[a-z-]+){0,2}?)\\s+$");

    private static final Pattern HALF_WIDTH = Pattern.compile("(?<=[\\p{IsHan}\uFF09\u201D])[,;:!?](?![0-9]) *"
            + "|(?<=\\p{IsHan})\\.(?=\\s*(?:\\p{IsHan}|$))\\s*|(?<=[A-Za-z0-9])[,;!?] ?(?=\\p{IsHan})");

    private static final Pattern FULL_WIDTH = Pattern.compile("[\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A]+");

    private static final Pattern FULL_WIDTH_MARK =
            Pattern.compile("(?<=[A-Za-z0-9])\\s*([\uFF0C\u3002\u3001\uFF1B\uFF1A\uFF01\uFF1F])\\s*(?=[A-Za-z0-9]|$)");

    private static final Pattern MIXED_BRACKETS =
            Pattern.compile("\uFF08[^()\uFF08\uFF09]{1,60}(\\))|(\\()[^()\uFF08\uFF09]{1,60}\uFF09");

    private static final String HALF = ",;:!?.()";
    private static final String FULL = "\uFF0C\uFF1B\uFF1A\uFF01\uFF1F\u3002\uFF08\uFF09";

    private final String text;
    private final Map<String, List<Match>> words;
    private final List<LintFinding> found = new ArrayList<>();

    private PromptRules(String text) {
        this.text = text;
        words = Lexicon.instance().matches(text);
    }

    static List<LintFinding> check(String masked) {
        PromptRules rules = new PromptRules(masked);
        rules.intensifiers();
        rules.quality();
        rules.contradictions();
        rules.captions();
        rules.subjects();
        rules.syntax();
        rules.negatives();
        rules.punctuation();
        return rules.found;
    }

    private List<Match> words(String category) {
        return words.getOrDefault(category, List.of());
    }

    private void add(LintCode code, int start, int end, @Nullable String replacement, String... arguments) {
        found.add(new LintFinding(code, start, end, replacement, List.of(arguments)));
    }

    /** Doubled ones lose the double; of three and more, the first stays. */
    private void intensifiers() {
        List<Match> repeatable = words("repeatable");
        Set<Integer> doubled = new HashSet<>();
        for (int i = 0; i < repeatable.size(); i++) {
            Match word = repeatable.get(i);
            if (doubled.contains(word.start())) {
                continue;
            }
            String repeated = repeatedFrom(word);
            if (DOUBLED_WORDS.contains(repeated)) {
                continue;
            }
            int end = word.start();
            int next = skipSeparator(word.start() + repeated.length());
            while (text.regionMatches(true, next, repeated, 0, repeated.length())
                    && isWordEnd(next + repeated.length())) {
                end = next;
                next = skipSeparator(next + repeated.length());
            }
            if (end > word.start()) {
                for (Match inside : repeatable) {
                    if (inside.start() >= word.start() && inside.start() < end + repeated.length()) {
                        doubled.add(inside.start());
                    }
                }
                String all = text.substring(word.start(), end + repeated.length());
                add(LintCode.REPEATED_INTENSIFIER, word.start(), end, "", all);
            }
        }
        List<Match> all = words("intensifier");
        long apart =
                all.stream().filter(word -> !doubled.contains(word.start())).count()
                        + (all.stream().anyMatch(word -> doubled.contains(word.start())) ? 1 : 0);
        if (apart <= INTENSIFIERS) {
            return;
        }
        all.stream().skip(1).filter(word -> !doubled.contains(word.start())).forEach(word -> {
            int end = word.end();
            while (end < text.length() && text.charAt(end) == ' ') {
                end++;
            }
            if (end < text.length() && text.charAt(end) == '\u5730') { // 地
                end++;
            }
            add(LintCode.REPEATED_INTENSIFIER, word.start(), end, "", word.in(text));
        });
    }

    /** Returns the word itself, or together with the characters after it where these are repeated with it (很高很高). */
    private String repeatedFrom(Match word) {
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

    private void quality() {
        List<Match> all = words("quality");
        if (all.size() < 2) {
            return;
        }
        for (int i = 0; i < all.size(); i++) {
            int start = all.get(i).start();
            int end = all.get(i).end();
            while (i + 1 < all.size()
                    && onlySeparators(text.substring(end, all.get(i + 1).start()))) {
                end = all.get(++i).end();
            }
            String pile = text.substring(start, end);
            int after = end;
            while (after < text.length() && isSeparator(text.charAt(after))) {
                after++;
            }
            int before = start;
            while (before > 0 && isSeparator(text.charAt(before - 1))) {
                before--;
            }
            boolean enclosed = before > 0 && "([{\uFF08".indexOf(text.charAt(before - 1)) >= 0;
            if (enclosed) { // a weight: first that has to go
                add(LintCode.QUALITY_PILE, start, end, null, pile);
            } else if (after == text.length()) {
                add(LintCode.QUALITY_PILE, before, text.length(), "", pile);
            } else {
                boolean item = after > end || before == 0;
                add(LintCode.QUALITY_PILE, start, item ? after : end, "", pile);
            }
        }
    }

    private static boolean onlySeparators(String between) {
        return between.chars().allMatch(c -> isSeparator((char) c));
    }

    private static boolean isSeparator(char c) {
        return " ,;\uFF0C\u3001\uFF1B".indexOf(c) >= 0;
    }

    private void contradictions() {
        List<Match> traits = words("trait");
        if (traits.size() < 2 || !words("depiction").isEmpty()) {
            return;
        }
        Set<String> reported = new HashSet<>();
        for (int i = 1; i < traits.size(); i++) {
            Match later = traits.get(i);
            for (Match earlier : traits.subList(0, i)) {
                if (Lexicon.instance().conflict(earlier.value(), later.value())
                        && reported.add(earlier.value() + later.value())) {
                    add(LintCode.CONTRADICTION, later.start(), later.end(), null, earlier.in(text), later.in(text));
                    break;
                }
            }
        }
    }

    private void captions() {
        if (words("caption").isEmpty()) {
            return;
        }
        boolean straightQuotes = text.chars().filter(c -> c == '"').count() % 2 == 0;
        boolean curlyQuotes = text.indexOf('\u201C') < 0 || text.indexOf('\u201D') >= 0;
        for (Matcher matcher = CHINESE_CAPTION.matcher(text); matcher.find(); ) {
            int start = matcher.start(1);
            String caption = matcher.group(1);
            Matcher tail = CHINESE_CAPTION_END.matcher(caption);
            if (tail.find()) {
                caption = caption.substring(0, tail.start());
            }
            caption = caption.stripTrailing();
            if (!caption.isEmpty() && !NOT_A_CAPTION.matcher(caption).find() && caption.indexOf(Quotes.MASK) < 0) {
                add(
                        LintCode.UNQUOTED_TEXT,
                        start,
                        start + caption.length(),
                        curlyQuotes ? "\u201C" + caption + "\u201D" : null,
                        caption);
            }
        }
        for (Matcher matcher = ENGLISH_CAPTION.matcher(text); matcher.find(); ) {
            String caption = ENGLISH_CAPTION_END
                    .matcher(matcher.group(1))
                    .replaceFirst("")
                    .stripTrailing();
            addCaption(matcher.start(1), caption, straightQuotes);
        }
        for (Matcher matcher = WRITTEN_ON.matcher(text); matcher.find(); ) {
            addCaption(matcher.start(1), matcher.group(1), straightQuotes);
        }
    }

    private void addCaption(int start, String caption, boolean fixable) {
        if (caption.indexOf(Quotes.MASK) < 0 && !caption.isEmpty()) {
            String replacement = fixable ? '"' + caption + '"' : null;
            add(LintCode.UNQUOTED_TEXT, start, start + caption.length(), replacement, caption);
        }
    }

    private void subjects() {
        Set<String> kinds = new HashSet<>();
        int number = 0;
        int first = -1;
        int last = 0;
        List<Match> subjects = new ArrayList<>();
        for (Match word : words("subject")) {
            if (word.end() - word.start() > 1 || isNumbered(word.start()) || isListed(word)) {
                subjects.add(word);
            }
        }
        for (Match word : subjects) {
            kinds.add(kind(word.in(text)));
            if (Lexicon.isLatin(text.charAt(word.start()))) {
                Matcher matcher =
                        NUMBERED_ENGLISH.matcher(text.substring(Math.max(0, word.start() - 40), word.start()));
                number += matcher.find() ? PromptNumbers.parse(matcher.group(1)) : 0;
            }
            first = first < 0 ? word.start() : first;
            last = word.end();
        }
        for (Matcher matcher = NUMBERED_CHINESE.matcher(text); matcher.find(); ) {
            boolean alive = "位名匹头頭".contains(matcher.group(2)) || followsSubject(matcher, subjects);
            if (alive) {
                number += PromptNumbers.parse(matcher.group(1));
                first = first < 0 ? matcher.start() : Math.min(first, matcher.start());
                last = Math.max(last, matcher.end(2));
            }
        }
        if (kinds.size() > SUBJECT_KINDS || number > SUBJECTS) {
            add(LintCode.TOO_MANY_SUBJECTS, first, last, null, Integer.toString(Math.max(kinds.size(), number)));
        }
    }

    private static boolean followsSubject(Matcher numbered, List<Match> subjects) {
        return subjects.stream().anyMatch(word -> word.start() >= numbered.end(2) && word.start() <= numbered.end(3));
    }

    private static String kind(String word) {
        String lower = word.toLowerCase(Locale.ROOT);
        return lower.length() > 3 && lower.endsWith("s") ? lower.substring(0, lower.length() - 1) : lower;
    }

    private boolean isNumbered(int start) {
        return start > 0 && "位名只匹头头条个隻頭條個".indexOf(text.charAt(start - 1)) >= 0;
    }

    private boolean isListed(Match word) {
        boolean before = word.start() == 0 || "、，和与及,".indexOf(text.charAt(word.start() - 1)) >= 0;
        boolean after = word.end() == text.length() || "、，和与及,在".indexOf(text.charAt(word.end())) >= 0;
        return before && after;
    }

    private void syntax() {
        boolean bracketed = text.chars().anyMatch(c -> "([{\uFF08".indexOf(c) >= 0);
        boolean weighted = bracketed || text.contains("::");
        for (Matcher matcher = WEIGHT.matcher(text); weighted && matcher.find(); ) {
            String inner = "";
            for (int group = 1; group <= matcher.groupCount(); group++) {
                inner = matcher.group(group) != null ? matcher.group(group) : inner;
            }
            add(LintCode.PROMPT_WEIGHT, matcher.start(), matcher.end(), inner, matcher.group());
        }
        if (text.contains("--")) {
            addSyntax(SWITCH, "");
        }
        if (text.indexOf('<') >= 0) {
            addSyntax(TAG, "");
        }
        String comma = PromptLanguage.hasHan(text) ? "\uFF0C" : ", ";
        for (Matcher matcher = BREAK.matcher(text); matcher.find(); ) {
            boolean edge = matcher.start() == 0 || matcher.end() == text.length();
            boolean separated = !edge && isSeparator(text.charAt(matcher.start() - 1));
            add(
                    LintCode.OTHER_SYNTAX,
                    matcher.start(),
                    matcher.end(),
                    edge ? "" : separated ? " " : comma,
                    matcher.group().strip());
        }
        if (bracketed) {
            addSyntax(CHOICE, null);
        }
    }

    private void addSyntax(Pattern pattern, @Nullable String replacement) {
        for (Matcher matcher = pattern.matcher(text); matcher.find(); ) {
            add(
                    LintCode.OTHER_SYNTAX,
                    matcher.start(),
                    matcher.end(),
                    replacement,
                    matcher.group().strip());
        }
    }

    private void negatives() {
        boolean colon = text.indexOf(':') >= 0 || text.indexOf('\uFF1A') >= 0;
        for (Matcher matcher = NEGATIVE_MARK.matcher(text); colon && matcher.find(); ) {
            add(LintCode.NEGATIVE_PROMPT, matcher.start(), matcher.end(), null, matcher.group());
        }
        for (Match defect : words("defect")) {
            int from = Math.max(0, defect.start() - 24);
            Matcher matcher = NEGATION.matcher(text.substring(from, defect.start()));
            if (matcher.find()) {
                int start = from + matcher.start();
                add(LintCode.NEGATIVE_PROMPT, start, defect.end(), null, text.substring(start, defect.end()));
            }
        }
    }

    private void punctuation() {
        boolean half = text.chars().anyMatch(c -> ",;:!?.".indexOf(c) >= 0);
        for (Matcher matcher = HALF_WIDTH.matcher(text); half && matcher.find(); ) {
            String full = String.valueOf(FULL.charAt(HALF.indexOf(text.charAt(matcher.start()))));
            add(LintCode.PUNCTUATION_WIDTH, matcher.start(), matcher.end(), full, matcher.group(), full);
        }
        for (Matcher matcher = FULL_WIDTH.matcher(text); matcher.find(); ) {
            StringBuilder narrow = new StringBuilder();
            matcher.group().chars().forEach(c -> narrow.append((char) (c - 0xFEE0)));
            add(
                    LintCode.PUNCTUATION_WIDTH,
                    matcher.start(),
                    matcher.end(),
                    narrow.toString(),
                    matcher.group(),
                    narrow.toString());
        }
        if (!PromptLanguage.hasHan(text)) {
            for (Matcher matcher = FULL_WIDTH_MARK.matcher(text); matcher.find(); ) {
                char mark = matcher.group(1).charAt(0);
                String comma = mark == '\u3001' ? "," : String.valueOf(HALF.charAt(FULL.indexOf(mark)));
                String spaced = matcher.end() == text.length() ? comma : comma + " ";
                add(LintCode.PUNCTUATION_WIDTH, matcher.start(), matcher.end(), spaced, matcher.group(1), comma);
            }
        }
        boolean bracketed = text.indexOf('\uFF08') >= 0 || text.indexOf('\uFF09') >= 0;
        for (Matcher matcher = MIXED_BRACKETS.matcher(text); bracketed && matcher.find(); ) {
            int group = matcher.group(1) != null ? 1 : 2;
            String full = group == 1 ? "\uFF09" : "\uFF08";
            add(LintCode.PUNCTUATION_WIDTH, matcher.start(group), matcher.end(group), full, matcher.group(group), full);
        }
    }
}
