package io.github.zimage.prompt.zh;

import com.hankcs.hanlp.corpus.tag.Nature;
import com.hankcs.hanlp.dictionary.py.Pinyin;
import com.hankcs.hanlp.dictionary.py.PinyinDictionary;
import com.hankcs.hanlp.seg.Segment;
import com.hankcs.hanlp.seg.Viterbi.ViterbiSegment;
import com.hankcs.hanlp.seg.common.Term;
import io.github.zimage.prompt.ChineseAnalyzer;
import io.github.zimage.prompt.LintCode;
import io.github.zimage.prompt.LintFinding;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Chinese as HanLP segments and reads it, with lists of our own for what a picture makes of it. Loads its
 * dictionaries at the first use, which takes about half a second and 43 MB. Thread-safe.
 */
public final class HanLpAnalyzer implements ChineseAnalyzer {
    private static final Pattern NUMBERED =
            Pattern.compile("([一二两三四五六七八九十几]{1,3}|[0-9]{1,3})([个只条张头匹把本辆架艘座棵株朵支枝尊顶件幅面扇台部封根枚盏])");

    /** Classifiers that are words for things: a vessel, a seat. */
    private static final String NAMES_OF_THINGS = "尊座";

    /** Before 一, they make another word of it: the first, uniform, the only. */
    private static final String NO_NUMBERS = "第统統唯单單专專同之";

    private static final String ANIMALS = "龙虎马牛羊鸡狗犬鼠兔猴猪鱼鸟狼狐鹤凤蛇象狮豹鹰雁鹊鸦鸠蝉虫蚁蜂";

    /** Characters of which two readings are common and mean different things. */
    private static final String CONFUSABLE = "发弹乐行藏转冠磨曲重帖拓耙角当卡宿钻畜龟";

    private static final int FAMILIAR = 20;
    private static final int LONGEST_WORD = 6;

    /** How many words after a classifier its noun is looked for. */
    private static final int NOUN_REACH = 12;

    private @Nullable Dictionaries dictionaries;

    private record Dictionaries(WordLists lists, ChineseScript script, Segment segment) {}

    /** Creates an analyzer that has loaded nothing yet. */
    public HanLpAnalyzer() {}

    @Override
    public List<String> words(String text) {
        return dictionaries().segment.seg(text).stream().map(term -> term.word).toList();
    }

    @Override
    public List<LintFinding> check(String text) {
        return new Check(text, dictionaries()).findings();
    }

    private synchronized Dictionaries dictionaries() {
        if (dictionaries == null) {
            dictionaries = new Dictionaries(
                    new WordLists(),
                    new ChineseScript(),
                    new ViterbiSegment().enableAllNamedEntityRecognize(false).enableOffset(true));
        }
        return dictionaries;
    }

    /** The rules over one text. */
    private static final class Check {
        private final String text;
        private final WordLists lists;
        private final ChineseScript script;
        private final List<Term> terms;

        /** Where words begin, and the end of the text. */
        private final BitSet boundaries = new BitSet();

        private final List<LintFinding> found = new ArrayList<>();

        /** The characters in which something was found. */
        private final BitSet foundIn = new BitSet();

        Check(String text, Dictionaries dictionaries) {
            this.text = text;
            lists = dictionaries.lists;
            script = dictionaries.script;
            terms = dictionaries.segment.seg(text);
            boundaries.set(0);
            terms.forEach(term -> boundaries.set(term.offset + term.word.length()));
        }

        List<LintFinding> findings() {
            dialect();
            classifiers();
            readings();
            idioms();
            scripts();
            return found;
        }

        private void add(LintCode code, int start, int end, @Nullable String replacement, String... arguments) {
            found.add(new LintFinding(code, start, end, replacement, List.of(arguments)));
            foundIn.set(start, end);
        }

        private boolean isFound(int start, int end) {
            int next = foundIn.nextSetBit(start);
            return next >= 0 && next < end;
        }

        private void readings() {
            int done = 0;
            for (int start = 0; start >= 0; start = boundaries.nextSetBit(start + 1)) {
                String listed = start < done ? null : longest(lists.readings, start);
                if (listed != null) {
                    done = start + listed.length();
                    addReading(start, listed, String.valueOf(lists.readings.get(listed)));
                }
            }
            for (Term term : terms) {
                if (isDrawable(term)
                        && !isFound(term.offset, term.offset + term.word.length())
                        && term.getFrequency() <= FAMILIAR
                        && hasRareReading(term.word)) {
                    addReading(term.offset, term.word, pinyin(term.word));
                }
            }
        }

        private void addReading(int start, String word, String pinyin) {
            int end = start + word.length();
            boolean annotated = end < text.length() && "(\uFF08".indexOf(text.charAt(end)) >= 0;
            if (!annotated) {
                add(LintCode.AMBIGUOUS_READING, start, end, word + "(" + pinyin + ")", word, pinyin);
            }
        }

        private static boolean isDrawable(Term term) {
            return term.word.length() > 1
                    && term.nature != null
                    && term.nature.startsWith('n')
                    && !term.nature.startsWith("ns")
                    && !term.nature.startsWith("nr")
                    && !term.nature.startsWith("nt");
        }

        /** Returns whether a character is read otherwise than it is on its own, and not in a word that all know. */
        private boolean hasRareReading(String word) {
            Pinyin[] readings = PinyinDictionary.get(word);
            if (readings == null || readings.length != word.length()) {
                return false;
            }
            for (int i = 0; i < word.length(); i++) {
                Pinyin[] alone = PinyinDictionary.get(word.substring(i, i + 1));
                if (CONFUSABLE.indexOf(word.charAt(i)) >= 0
                        && alone != null
                        && alone.length > 1
                        && readings[i].getTone() != 5
                        && readings[i] != alone[0]
                        && !isEveryday(word, i)) {
                    return true;
                }
            }
            return false;
        }

        private boolean isEveryday(String word, int index) {
            for (int start = 0; start <= index; start++) {
                for (int end = index + 1; end <= word.length(); end++) {
                    if (lists.everydayReadings.contains(word.substring(start, end))) {
                        return true;
                    }
                }
            }
            return false;
        }

        private static String pinyin(String word) {
            StringBuilder result = new StringBuilder();
            for (Pinyin pinyin : PinyinDictionary.get(word)) {
                result.append(result.length() == 0 ? "" : " ").append(pinyin.getPinyinWithToneMark());
            }
            return result.toString();
        }

        private void idioms() {
            int done = 0;
            for (int start = 0; start < text.length(); start++) {
                String idiom = start < done ? null : longest(lists.idioms, start);
                if (idiom != null) {
                    done = start + idiom.length();
                    String description = String.valueOf(lists.idioms.get(idiom));
                    add(LintCode.LITERAL_IDIOM, start, done, description, idiom, description);
                }
            }
            for (Term term : terms) {
                boolean idiom = term.word.length() == 4
                        && (term.nature == Nature.i || term.nature == Nature.vl)
                        && !lists.idioms.containsKey(term.word)
                        && !lists.plainIdioms.contains(term.word)
                        && term.word.chars().anyMatch(c -> ANIMALS.indexOf(c) >= 0);
                if (idiom) {
                    add(LintCode.LITERAL_IDIOM, term.offset, term.offset + term.word.length(), null, term.word);
                }
            }
        }

        private @Nullable String longest(Map<String, String> list, int start) {
            if (start == text.length() || !lists.firstCharacters.get(text.charAt(start))) {
                return null;
            }
            for (int length = Math.min(LONGEST_WORD, text.length() - start); length > 0; length--) {
                String word = text.substring(start, start + length);
                if (list.containsKey(word)) {
                    return word;
                }
            }
            return null;
        }

        private void classifiers() {
            int next = 0; // the first term that ends after the classifier
            for (Matcher matcher = NUMBERED.matcher(text); matcher.find(); ) {
                while (next < terms.size() && end(terms.get(next)) <= matcher.end()) {
                    next++;
                }
                String classifier = matcher.group(2);
                String noun = nounAt(next, matcher.end());
                Set<String> allowed = noun == null ? null : lists.classifiers.get(noun);
                if (allowed != null && !allowed.contains(classifier) && !isFound(matcher.end(), matcher.end() + 1)) {
                    String usual = allowed.iterator().next();
                    add(
                            LintCode.CLASSIFIER,
                            matcher.start(2),
                            matcher.end(),
                            usual,
                            classifier,
                            String.valueOf(noun),
                            usual);
                } else if (matcher.group(1).equals("一")
                        && NAMES_OF_THINGS.contains(classifier)
                        && (matcher.start() == 0 || NO_NUMBERS.indexOf(text.charAt(matcher.start() - 1)) < 0)
                        && isThing(next, matcher.end())) {
                    add(
                            LintCode.LITERAL_CLASSIFIER,
                            matcher.start(),
                            matcher.end(),
                            null,
                            matcher.group(),
                            terms.get(next).word);
                }
            }
        }

        /** Returns whether a word is a noun, and stands directly behind a classifier. */
        private boolean isThing(int term, int classifierEnd) {
            return term < terms.size()
                    && terms.get(term).offset == classifierEnd
                    && (lists.classifiers.containsKey(terms.get(term).word)
                            || (!terms.get(term).word.equals("难求")
                                    && String.valueOf(terms.get(term).nature).startsWith("n")));
        }

        private static int end(Term term) {
            return term.offset + term.word.length();
        }

        /**
         * Returns the noun that a classifier counts, past adjectives, or null if that is not clear.
         *
         * @param next the first term that ends after the classifier
         * @param start where the classifier ends
         */
        private @Nullable String nounAt(int next, int start) {
            String noun = null;
            if (next < terms.size() && terms.get(next).offset < start) { // the classifier is a part of a longer word
                return null;
            }
            for (Term term : terms.subList(next, Math.min(terms.size(), next + NOUN_REACH))) {
                String nature = String.valueOf(term.nature);
                if (term.word.endsWith("色") || (noun == null && term.word.equals("的"))) {
                    continue;
                }
                if (nature.startsWith("n") || lists.classifiers.containsKey(term.word)) {
                    noun = term.word;
                } else if (noun != null) {
                    return term.word.equals("的") || term.word.equals("般") || term.word.equals("状") ? null : noun;
                } else if (!nature.startsWith("a") && !nature.startsWith("b") && !nature.startsWith("z")) {
                    return null;
                }
            }
            return noun;
        }

        private void dialect() {
            int done = 0;
            for (int start = 0; start >= 0; start = boundaries.nextSetBit(start + 1)) {
                String word = start < done ? null : longest(lists.dialect, start);
                if (word != null && boundaries.get(start + word.length()) && !text.startsWith("共享", start - 2)) {
                    done = start + word.length();
                    String standard = String.valueOf(lists.dialect.get(word));
                    add(LintCode.DIALECT, start, done, standard, word, standard);
                }
            }
        }

        private void scripts() {
            int traditional = 0;
            int simplified = 0;
            for (int i = 0; i < text.length(); i++) {
                traditional += script.isTraditional(text, i) ? 1 : 0;
                simplified += script.isSimplified(text.charAt(i)) ? 1 : 0;
            }
            if (traditional == 0 || simplified == 0) {
                return;
            }
            boolean toSimplified = simplified >= traditional;
            String converted = toSimplified ? ChineseScript.simplified(text) : ChineseScript.traditional(text);
            for (int start = 0; start < text.length(); start++) {
                int end = start;
                while (end < text.length() && isForeign(end, toSimplified)) {
                    end++;
                }
                if (end > start) {
                    String foreign = text.substring(start, end);
                    String own = converted.length() == text.length()
                            ? converted.substring(start, end)
                            : toSimplified ? ChineseScript.simplified(foreign) : ChineseScript.traditional(foreign);
                    if (!own.equals(foreign)) {
                        add(LintCode.MIXED_SCRIPT, start, end, own, foreign, own);
                    }
                    start = end;
                }
            }
        }

        private boolean isForeign(int index, boolean toSimplified) {
            return toSimplified ? script.isTraditional(text, index) : script.isSimplified(text.charAt(index));
        }
    }
}
