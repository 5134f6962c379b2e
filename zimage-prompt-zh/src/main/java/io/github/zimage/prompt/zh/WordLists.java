package io.github.zimage.prompt.zh;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Our own lists, which say what HanLP's dictionaries do not. */
final class WordLists {
    /** From a word to its reading, with tone marks. */
    final Map<String, String> readings = pairs("readings.tsv");

    /** Words whose rarer reading is familiar. */
    final Set<String> everydayReadings = words("everyday-readings.txt");

    /** From an idiom to what one would see. */
    final Map<String, String> idioms = pairs("idioms.tsv");

    /** Idioms that mean what they show. */
    final Set<String> plainIdioms = words("plain-idioms.txt");

    /** From a dialect word to the standard one. */
    final Map<String, String> dialect = pairs("dialect.tsv");

    /** From a noun to its classifiers, the usual one first. */
    final Map<String, Set<String>> classifiers = classifiers();

    /** The characters that begin a word of the readings, the idioms or the dialect. */
    final BitSet firstCharacters = new BitSet();

    WordLists() {
        for (Map<String, String> list : List.of(readings, idioms, dialect)) {
            list.keySet().forEach(word -> firstCharacters.set(word.charAt(0)));
        }
    }

    private static Map<String, Set<String>> classifiers() {
        Map<String, Set<String>> result = new HashMap<>();
        for (String line : lines("classifiers.tsv")) {
            String[] columns = line.split("\t", 2);
            for (String noun : columns[1].split(" ", -1)) {
                result.computeIfAbsent(noun, key -> new LinkedHashSet<>()).add(columns[0]);
            }
        }
        return result;
    }

    private static Map<String, String> pairs(String file) {
        Map<String, String> result = new HashMap<>();
        for (String line : lines(file)) {
            String[] columns = line.split("\t", 2);
            result.put(columns[0], columns[1]);
        }
        return result;
    }

    private static Set<String> words(String file) {
        Set<String> result = new HashSet<>();
        for (String line : lines(file)) {
            result.addAll(Arrays.asList(line.trim().split(" ", -1)));
        }
        return result;
    }

    private static List<String> lines(String file) {
        try (InputStream in = WordLists.class.getResourceAsStream(file);
                BufferedReader reader = new BufferedReader(
                        new InputStreamReader(Objects.requireNonNull(in, file), StandardCharsets.UTF_8))) {
            return reader.lines()
                    .filter(line -> !line.isBlank() && !line.startsWith("#"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(file, e);
        }
    }
}
