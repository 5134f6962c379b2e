package io.github.zimage.prompt;

import org.jspecify.annotations.Nullable;

/** How long a prompt is. */
final class PromptWords {
    private static final double HAN_PER_WORD = 1.6;

    /** Averages of Z-Image's tokenizer on prompts, their punctuation included. */
    private static final double TOKENS_PER_HAN = 0.87;

    private static final double TOKENS_PER_WORD = 1.19;

    private static final int TEMPLATE_TOKENS = 8;

    private PromptWords() {}

    /** Returns the number of words. Chinese is cut into words by the analyzer, or guessed from its characters. */
    static int count(String text, @Nullable ChineseAnalyzer chinese) {
        if (chinese != null && text.length() <= PromptText.MAX_CHARACTERS && PromptLanguage.hasHan(text)) {
            return (int) chinese.words(text).stream()
                    .filter(word -> word.codePoints().anyMatch(Character::isLetterOrDigit))
                    .count();
        }
        return (int) Math.round(latinWords(text) + han(text) / HAN_PER_WORD);
    }

    /** Returns about how many tokens the text encoder gets, chat template included. */
    static int estimatedTokens(String text) {
        return (int) Math.round(TEMPLATE_TOKENS + han(text) * TOKENS_PER_HAN + latinWords(text) * TOKENS_PER_WORD);
    }

    private static long han(String text) {
        return text.codePoints().filter(PromptLanguage::isHan).count();
    }

    private static int latinWords(String text) {
        int words = 0;
        boolean inWord = false;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            boolean letter = (Character.isLetterOrDigit(c) && !PromptLanguage.isHan(c)) || (c == '\'' && inWord);
            words += letter && !inWord ? 1 : 0;
            inWord = letter;
        }
        return words;
    }
}
