package io.github.zimage.prompt;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** The word lists of the rules, and a single pass over a text that finds the words of all of them. */
final class Lexicon {
    /** A word of the text that stands in a list. */
    record Match(int start, int end, String category, String value) {
        String in(String text) {
            return text.substring(start, end);
        }
    }

    private record Term(String text, String category, String value) {}

    private static final Term[] NONE = {};
    private static final Lexicon INSTANCE = load();

    /** By their first character, the longest first. */
    private final Term[][] termsByFirst = new Term[Character.MAX_VALUE + 1][];

    private final Set<String> conflicts = new HashSet<>();

    static Lexicon instance() {
        return INSTANCE;
    }

    /** Returns whether two traits exclude each other. */
    boolean conflict(String trait, String other) {
        return conflicts.contains(trait + "+" + other) || conflicts.contains(other + "+" + trait);
    }

    /** Returns the longest words of each category, in the order of the text. Words of one category do not overlap. */
    Map<String, List<Match>> matches(String text) {
        String folded = fold(text);
        Map<String, List<Match>> result = new HashMap<>();
        Map<String, Integer> taken = new HashMap<>();
        for (int i = 0; i < folded.length(); i++) {
            if (i > 0 && isLatin(folded.charAt(i)) && isLatin(folded.charAt(i - 1))) {
                continue;
            }
            for (Term term : terms(folded.charAt(i))) {
                if (!folded.startsWith(term.text, i) || taken.getOrDefault(term.category, 0) > i) {
                    continue;
                }
                int end = wordEnd(folded, i + term.text.length(), term);
                if (end < 0) {
                    continue;
                }
                taken.put(term.category, end);
                if (!term.value.isEmpty()) {
                    result.computeIfAbsent(term.category, category -> new ArrayList<>())
                            .add(new Match(i, end, term.category, term.value));
                }
            }
        }
        return result;
    }

    private Term[] terms(char first) {
        Term[] terms = termsByFirst[first];
        return terms == null ? NONE : terms;
    }

    /** Returns where a term ends, which may have a plural, or -1 if it is only the beginning of a Latin word. */
    private static int wordEnd(String folded, int end, Term term) {
        if (!isLatin(folded.charAt(end - 1))) {
            return end;
        }
        if (term.category.equals("subject")) {
            if (folded.startsWith("es", end) && !isLatinAt(folded, end + 2)) {
                return end + 2;
            }
            if (folded.startsWith("s", end) && !isLatinAt(folded, end + 1)) {
                return end + 1;
            }
        }
        return isLatinAt(folded, end) ? -1 : end;
    }

    private static boolean isLatinAt(String text, int index) {
        return index < text.length() && isLatin(text.charAt(index));
    }

    static boolean isLatin(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c >= 0xC0 && c <= 0x24F);
    }

    /** Lower case, plain apostrophes, spaces for hyphens; of the same length as the text. */
    private static String fold(String text) {
        char[] chars = text.toCharArray();
        for (int i = 0; i < chars.length; i++) {
            char c = chars[i];
            chars[i] = c == '-' || c == '\u2010' ? ' ' : c == '\u2019' ? '\'' : Character.toLowerCase(c);
        }
        return new String(chars);
    }

    private static Lexicon load() {
        Lexicon lexicon = new Lexicon();
        try (InputStream in = Lexicon.class.getResourceAsStream("lexicon.tsv");
                BufferedReader reader = new BufferedReader(
                        new InputStreamReader(Objects.requireNonNull(in, "lexicon.tsv"), StandardCharsets.UTF_8))) {
            reader.lines().filter(line -> !line.startsWith("#")).forEach(lexicon::addLine);
        } catch (IOException e) {
            throw new UncheckedIOException("lexicon.tsv", e);
        }
        for (Term[] terms : lexicon.termsByFirst) {
            if (terms != null) {
                Arrays.sort(terms, Comparator.comparingInt((Term term) -> -term.text.length()));
            }
        }
        return lexicon;
    }

    private void addLine(String line) {
        int tab = line.indexOf('\t');
        String key = line.substring(0, tab);
        String[] terms = line.substring(tab + 1).split(", ");
        if (key.equals("conflict")) {
            conflicts.addAll(List.of(terms));
            return;
        }
        int equals = key.indexOf('=');
        String category = equals < 0 ? key : key.substring(0, equals);
        for (String term : terms) {
            String value = equals < 0 ? term : key.substring(equals + 1);
            Term[] known = terms(term.charAt(0));
            Term[] more = Arrays.copyOf(known, known.length + 1);
            more[known.length] = new Term(term, category, value);
            termsByFirst[term.charAt(0)] = more;
        }
    }
}
