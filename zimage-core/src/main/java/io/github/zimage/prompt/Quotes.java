package io.github.zimage.prompt;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Quoted text in prompts: what is to be written in the picture, letter by letter. */
final class Quotes {
    /** Stands for a quoted character, so that no rule takes it for anything. */
    static final char MASK = '\uFFFC';

    /** Opening marks, and at the same place the mark that closes them. */
    private static final String OPENING = "\"'\u201C\u2018\u300C\u300E\u300A";

    private static final String CLOSING = "\"'\u201D\u2019\u300D\u300F\u300B";

    /** Marks that are apostrophes, too: between letters, they quote nothing. */
    private static final String APOSTROPHES = "'\u2018";

    private final String text;

    /** For each kind of mark, the next closing one as last looked up; the length of the text if there is none. */
    private final int[] nextClosing = new int[OPENING.length()];

    private int nextLineEnd = -1;

    private Quotes(String text) {
        this.text = text;
    }

    /** Returns the text with all that stands inside quotation marks replaced by {@link #MASK}, at the same length. */
    static String masked(String text) {
        char[] result = text.toCharArray();
        for (int[] place : new Quotes(text).places()) {
            Arrays.fill(result, place[0], place[1], MASK);
        }
        return new String(result);
    }

    /** Returns what stands inside quotation marks. */
    static List<String> contents(String text) {
        return new Quotes(text)
                .places().stream()
                        .map(place -> text.substring(place[0], place[1]).strip())
                        .toList();
    }

    /** Returns where quoted texts begin and end, without their marks. They never go over the end of a line. */
    private List<int[]> places() {
        List<int[]> places = new ArrayList<>();
        for (int i = 0; i < text.length(); i++) {
            int kind = OPENING.indexOf(text.charAt(i));
            if (kind < 0) {
                continue;
            }
            int end = closing(kind, i + 1);
            if (end < lineEnd(i + 1) && opens(i) && closes(kind, end)) {
                places.add(new int[] {i + 1, end});
                i = end;
            }
        }
        return places;
    }

    /** Looks on only from where it stopped, so that many marks that nothing closes take no more time than one. */
    private int closing(int kind, int from) {
        if (nextClosing[kind] < from) {
            int found = text.indexOf(CLOSING.charAt(kind), from);
            nextClosing[kind] = found < 0 ? text.length() : found;
        }
        return nextClosing[kind];
    }

    private int lineEnd(int from) {
        if (nextLineEnd < from) {
            int found = text.indexOf('\n', from);
            nextLineEnd = found < 0 ? text.length() : found;
        }
        return nextLineEnd;
    }

    private boolean opens(int index) {
        boolean apostrophe = text.charAt(index) == '\'';
        return !apostrophe || index == 0 || !isLetterOrNumber(text.codePointBefore(index));
    }

    private boolean closes(int kind, int end) {
        boolean apostrophe = APOSTROPHES.indexOf(OPENING.charAt(kind)) >= 0;
        return !apostrophe || end + 1 == text.length() || !isLetterOrNumber(text.codePointAt(end + 1));
    }

    private static boolean isLetterOrNumber(int codePoint) {
        int type = Character.getType(codePoint);
        return Character.isLetter(codePoint)
                || type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }
}
