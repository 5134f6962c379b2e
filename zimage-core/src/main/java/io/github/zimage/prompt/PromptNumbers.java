package io.github.zimage.prompt;

import java.util.List;
import java.util.Locale;

/** Numbers as they are written in prompts. */
final class PromptNumbers {
    private static final List<String> ENGLISH = List.of(
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty");

    private static final String CHINESE = "零一二三四五六七八九";

    private PromptNumbers() {}

    /** Returns the value of digits, an English number word, or a Chinese number up to 999; 0 for anything else. */
    static int parse(String number) {
        String word = number.toLowerCase(Locale.ROOT);
        int english = ENGLISH.indexOf(word);
        if (english >= 0) {
            return english;
        }
        return switch (word) {
            case "a dozen" -> 12;
            case "thirty" -> 30;
            case "forty" -> 40;
            case "fifty" -> 50;
            case "a hundred", "hundred" -> 100;
            default ->
                word.chars().allMatch(c -> c >= '0' && c <= '9') && !word.isEmpty() && word.length() < 9
                        ? Integer.parseInt(word)
                        : chinese(word);
        };
    }

    private static int chinese(String word) {
        int sum = 0;
        int digit = 0;
        for (int i = 0; i < word.length(); i++) {
            char c = word.charAt(i);
            if (c == '十') {
                sum += (digit == 0 ? 1 : digit) * 10;
                digit = 0;
            } else if (c == '百') {
                sum += (digit == 0 ? 1 : digit) * 100;
                digit = 0;
            } else {
                digit = c == '两' || c == '兩' ? 2 : Math.max(0, CHINESE.indexOf(c));
            }
        }
        return sum + digit;
    }
}
