package io.github.zimage.prompt;

/** A language that Z-Image reads. */
public enum PromptLanguage {
    /** English. */
    ENGLISH,
    /** Chinese, simplified or traditional. */
    CHINESE;

    /** Returns Chinese if a text has Chinese characters outside quotation marks, English otherwise. */
    public static PromptLanguage of(String text) {
        return hasHan(Quotes.masked(text)) ? CHINESE : ENGLISH;
    }

    static boolean hasHan(String text) {
        return text.codePoints().anyMatch(PromptLanguage::isHan);
    }

    static boolean isHan(int codePoint) {
        return Character.UnicodeScript.of(codePoint) == Character.UnicodeScript.HAN;
    }
}
