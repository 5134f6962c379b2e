package io.github.zimage.prompt;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Quoted text in prompts: what is to be written in the picture, letter by letter. */
final class Quotes {
    /** Stands for a quoted character, so that no rule takes it for anything. */
    static final char MASK = '\uFFFC';

    private static final Pattern QUOTED =
            Pattern.compile("\"([^\"\\n]*)\"|\u201C([^\u201D\\n]*)\u201D|\u300C([^\u300D\\n]*)\u300D"
                    + "|\u300E([^\u300F\\n]*)\u300F|\u300A([^\u300B\\n]*)\u300B|(?<![\\p{L}\\p{N}])'([^'\\n]*)'(?![\\p{L}\\p{N}])"
                    + "|\u2018([^\u2019\\n]*)\u2019(?![\\p{L}\\p{N}])");

    private Quotes() {}

    /** Returns the text with all that stands inside quotation marks replaced by {@link #MASK}, at the same length. */
    static String masked(String text) {
        StringBuilder result = new StringBuilder(text);
        Matcher matcher = QUOTED.matcher(text);
        while (matcher.find()) {
            for (int i = matcher.start() + 1; i < matcher.end() - 1; i++) {
                result.setCharAt(i, MASK);
            }
        }
        return result.toString();
    }

    /** Returns what stands inside quotation marks. */
    static List<String> contents(String text) {
        List<String> result = new ArrayList<>();
        Matcher matcher = QUOTED.matcher(text);
        while (matcher.find()) {
            result.add(text.substring(matcher.start() + 1, matcher.end() - 1).strip());
        }
        return result;
    }
}
