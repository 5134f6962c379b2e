package io.github.zimage.prompt;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Text to be written in the picture that does not stand in quotation marks. */
final class CaptionRule {
    private static final Pattern CHINESE_CAPTION = Pattern.compile(
            "(?:写着|写有|写了|写上|刻着|刻有|印着|印有|题着|题有|绣着|标着|寫著|寫有|寫了|刻著|印著|(?:标题|片名|书名|店名|标语|口号|字幕)(?:写着|为|是|叫|：|:)"
                    + "|(?:招牌|灯牌|霓虹灯|屏幕|显示屏|路牌|横幅|门牌|标牌|看板)(?:上)?(?:显示着|显示|写)(?!着))"
                    + "([\\p{IsHan}\\p{L}\\p{N}][^，。；,;！？!?\\n“”\"「」『』《》]{0,40})");

    private static final Pattern CHINESE_CAPTION_END = Pattern.compile(
            "字样|[一二两三四五六七八九十几]个(?:大)?字|(?:几个)?大字|的(?:牌子|木牌|招牌|横幅|标语|纸|纸条|卡片|纸板|旗子|旗帜|T恤|海报|标签|杯子|字条|条幅|信封)");

    private static final Pattern NOT_A_CAPTION = Pattern.compile(
            "(?:花纹|图案|纹样|纹饰|标志|标识|浮雕|图腾|符号|花卉|诗句|文字|经文|符文|咒语|公式|代码|数字|字母|编号|刻度|地名|红线|路线|等高线|梵文|古文|铭文|汉字|英文|中文|小字|的字|日记|信|作业|毛笔字|书法|星空图|龙凤|莲花|人像|头像)$");

    /** What is drawn on something: so many of a thing, or something with a pattern. */
    private static final Pattern DRAWN =
            Pattern.compile("[一两三几][只条个朵头匹棵座辆枝对双片颗轮幅张](?!字)|[^的]{1,6}(?:纹|图案|花样|图样|图腾|标志)的");

    private static final Pattern ENGLISH_CAPTION = Pattern.compile(
            "(?i)(?<![a-z])(?:that says|which says|that reads|which reads|label?led(?: with| as)?|titled|entitled|captioned|inscribed with|engraved with the words?"
                    + "|with (?:the|a) (?:words?|text|title|inscription|headline|caption|slogan|message|phrase|lettering)(?: of)?"
                    + "|(?:sign|signs|banner|poster|billboard|label|screen|board|placard|plaque|flag|note|card|sticker|badge|marquee)\\s++(?:saying|reading|says|reads))"
                    + "(?:\\s*+:)?+\\s++(?![\"“'‘「『])([\\p{L}\\p{N}][^,.;!?\\n\"“”]{0,60}+)");

    private static final Pattern WRITTEN_ON = Pattern.compile(
            "(?i)(?<![a-z])with\\s++(?!the |a |an |his |her |their |some |something )([\\p{L}\\p{N}][^,.;!?\\n\"“”]{0,40}?)(?<!\\s)\\s++written\\s++(?:on|in|across)(?![a-z])");

    private static final Pattern ENGLISH_CAPTION_END = Pattern.compile(
            "(?i)(?<!\\s)\\s++(?:(?:written|printed|painted|engraved)?\\s*+(?:on|above|below|in|at|across|over|under|next|beside|behind|hanging|standing|and|with|from|while|as)(?![a-z])"
                    + "(?:\\s++(?:it|the|a|an|his|her|its|their|big|bold|gold|golden|red|white|black|neon|large)(?![a-z]))).*+");

    private final RuleText rule;

    private CaptionRule(RuleText rule) {
        this.rule = rule;
    }

    static void check(RuleText text) {
        if (!text.words("caption").isEmpty()) {
            CaptionRule rule = new CaptionRule(text);
            rule.chinese();
            rule.english();
        }
    }

    private void chinese() {
        String text = rule.text;
        boolean fixable = text.indexOf('\u201C') < 0 || text.indexOf('\u201D') >= 0;
        for (Matcher matcher = CHINESE_CAPTION.matcher(text); matcher.find(); ) {
            String caption = matcher.group(1);
            Matcher tail = CHINESE_CAPTION_END.matcher(caption);
            if (tail.find()) {
                caption = caption.substring(0, tail.start());
            }
            caption = caption.stripTrailing();
            boolean drawn = "印刻绣".indexOf(text.charAt(matcher.start())) >= 0
                    && DRAWN.matcher(matcher.group(1)).lookingAt();
            if (!drawn && !NOT_A_CAPTION.matcher(caption).find()) {
                add(matcher.start(1), caption, fixable ? "\u201C" + caption + "\u201D" : null);
            }
        }
    }

    private void english() {
        boolean fixable = rule.text.chars().filter(c -> c == '"').count() % 2 == 0;
        for (Matcher matcher = ENGLISH_CAPTION.matcher(rule.text); matcher.find(); ) {
            String caption = ENGLISH_CAPTION_END
                    .matcher(matcher.group(1))
                    .replaceFirst("")
                    .stripTrailing();
            add(matcher.start(1), caption, fixable ? '"' + caption + '"' : null);
        }
        for (Matcher matcher = WRITTEN_ON.matcher(rule.text); matcher.find(); ) {
            add(matcher.start(1), matcher.group(1), fixable ? '"' + matcher.group(1) + '"' : null);
        }
    }

    private void add(int start, String caption, @Nullable String quoted) {
        if (!caption.isEmpty() && caption.indexOf(Quotes.MASK) < 0) {
            rule.add(LintCode.UNQUOTED_TEXT, start, start + caption.length(), quoted, caption);
        }
    }
}
