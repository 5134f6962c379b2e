package io.github.zimage.prompt.zh;

import com.hankcs.hanlp.HanLP;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.Objects;

/** Tells traditional from simplified characters. Many belong to both. */
final class ChineseScript {
    private static final String WORDS = "data/dictionary/tc/s2t.txt";

    /** Words in which 著 is not an older way to write 着. */
    private static final String LITERARY = "名作称者述录显土专论编原巨合遗译卓昭";

    /** The lists have some characters on the wrong side: fewer than one in so many are taken for mistakes. */
    private static final int STRAYS = 20;

    /** Of simplified characters, many are accepted in traditional text (台, 叶). */
    private static final int ACCEPTED = 100;

    private static final char FIRST_HAN = '\u3400';
    private static final char LAST_HAN = '\u9FFF';

    private final BitSet traditionalOnly = new BitSet();
    private final BitSet simplifiedOnly = new BitSet();

    /** Reads which characters occur in the words of either script. */
    ChineseScript() {
        int[] inSimplified = new int[Character.MAX_VALUE + 1];
        int[] inTraditional = new int[Character.MAX_VALUE + 1];
        try (InputStream in = HanLP.class.getClassLoader().getResourceAsStream(WORDS);
                BufferedReader reader = new BufferedReader(
                        new InputStreamReader(Objects.requireNonNull(in, WORDS), StandardCharsets.UTF_8))) {
            reader.lines().forEach(line -> {
                int equals = line.indexOf('=');
                if (equals > 0) {
                    line.substring(0, equals).chars().forEach(c -> inSimplified[c]++);
                    line.substring(equals + 1).chars().forEach(c -> inTraditional[c]++);
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(WORDS, e);
        }
        for (char c = FIRST_HAN; c <= LAST_HAN; c++) {
            String alone = String.valueOf(c);
            boolean variant = inSimplified[c] == 0
                    && !HanLP.convertToSimplifiedChinese(alone).equals(alone);
            traditionalOnly.set(c, variant || inTraditional[c] > STRAYS * inSimplified[c]);
            simplifiedOnly.set(c, inSimplified[c] > ACCEPTED * inTraditional[c]);
        }
    }

    boolean isTraditional(String text, int index) {
        char c = text.charAt(index);
        return traditionalOnly.get(c) || (c == '著' && isAspect(text, index));
    }

    boolean isSimplified(char c) {
        return simplifiedOnly.get(c);
    }

    private static boolean isAspect(String text, int index) {
        boolean before = index > 0 && Character.isLetter(text.charAt(index - 1));
        return before
                && LITERARY.indexOf(text.charAt(index - 1)) < 0
                && (index + 1 == text.length() || LITERARY.indexOf(text.charAt(index + 1)) < 0);
    }

    static String simplified(String text) {
        return HanLP.convertToSimplifiedChinese(text).replace('著', '着');
    }

    static String traditional(String text) {
        return HanLP.convertToTraditionalChinese(text);
    }
}
