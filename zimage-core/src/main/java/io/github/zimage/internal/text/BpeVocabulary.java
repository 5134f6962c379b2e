package io.github.zimage.internal.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The model of a {@code tokenizer.json}: the tokens and merges of byte-level BPE. A token is written in an alphabet of 256
 * letters, one for each byte; a merge makes one token of two.
 */
final class BpeVocabulary {
    /** Of tokens, and of merges; Qwen's has 151,643 and 151,387. */
    private static final int MAX_ENTRIES = 1_000_000;

    /** Qwen's longest token is one of 128 blanks. */
    private static final int MAX_TOKEN_LENGTH = 1024;

    private static final int BYTES = 256;

    private record Merge(String left, String right) {}

    private final String file;
    private final Map<String, Integer> ids = new LinkedHashMap<>();
    private final List<Merge> merges = new ArrayList<>();

    private BpeVocabulary(String file) {
        this.file = file;
    }

    /**
     * Reads and checks the value of {@code model}, at which a parser stands.
     *
     * @throws ModelLoadException if it is not sound, or anything but byte-level BPE as Qwen has it
     */
    static BpeVocabulary read(String file, JsonParser parser) throws IOException {
        BpeVocabulary vocabulary = new BpeVocabulary(file);
        vocabulary.readModel(parser);
        vocabulary.check();
        return vocabulary;
    }

    int size() {
        return ids.size();
    }

    /** Returns a token's id, or null if there is no such token. */
    @Nullable
    Integer id(String token) {
        return ids.get(token);
    }

    private void readModel(JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.START_OBJECT)) {
            throw wrong("must be an object", "");
        }
        Set<String> seen = new HashSet<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            if (!seen.add(key)) {
                throw wrong("has %s twice".formatted(ModelFile.quote(key)), "");
            }
            switch (key) {
                case "vocab" -> readTokens(parser);
                case "merges" -> readMerges(parser);
                default -> readOption(key, parser);
            }
        }
        for (String key : List.of("type", "vocab", "merges")) {
            if (!seen.contains(key)) {
                throw wrong("must be there, but is absent", "." + key);
            }
        }
    }

    /** Options that Qwen's tokenizer has switched off must be switched off. */
    private void readOption(String key, JsonParser parser) throws IOException {
        TokenizerSection value = TokenizerSection.read(file, "model." + TokenizerSection.shortened(key), parser);
        switch (key) {
            case "type" -> value.only("BPE");
            case "dropout", "unk_token" -> value.only((Object) null);
            case "continuing_subword_prefix", "end_of_word_suffix" -> value.only(null, "");
            case "fuse_unk", "byte_fallback", "ignore_merges" -> value.only(false);
            default -> throw value.wrong("is not supported and must be absent");
        }
    }

    private void readTokens(JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.START_OBJECT)) {
            throw wrong("must be an object", ".vocab");
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String token = parser.currentName();
            if (ids.size() == MAX_ENTRIES) {
                throw wrong("must have at most %d tokens, but has more".formatted(MAX_ENTRIES), ".vocab");
            }
            if (token.isEmpty() || token.length() > MAX_TOKEN_LENGTH) {
                throw wrong(
                        "must have tokens of 1 to %d letters, but one has %d: %s"
                                .formatted(MAX_TOKEN_LENGTH, token.length(), ModelFile.quote(token)),
                        ".vocab");
            }
            boolean id = parser.nextToken() == JsonToken.VALUE_NUMBER_INT
                    && parser.getNumberType() == JsonParser.NumberType.INT;
            if (!id) {
                throw wrong("must give %s an integer from 0 on".formatted(ModelFile.quote(token)), ".vocab");
            }
            if (ids.put(token, parser.getIntValue()) != null) {
                throw wrong("has %s twice".formatted(ModelFile.quote(token)), ".vocab");
            }
        }
    }

    /** A merge is a list of two tokens, or in older files one text with a blank between them. */
    private void readMerges(JsonParser parser) throws IOException {
        if (!parser.hasToken(JsonToken.START_ARRAY)) {
            throw wrong("must be a list", ".merges");
        }
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (merges.size() == MAX_ENTRIES) {
                throw wrong("must have at most %d merges, but has more".formatted(MAX_ENTRIES), ".merges");
            }
            merges.add(parser.hasToken(JsonToken.START_ARRAY) ? pair(parser) : spaced(parser));
        }
    }

    private Merge pair(JsonParser parser) throws IOException {
        String left = parser.nextToken() == JsonToken.VALUE_STRING ? parser.getText() : null;
        String right = left != null && parser.nextToken() == JsonToken.VALUE_STRING ? parser.getText() : null;
        if (left == null || right == null || parser.nextToken() != JsonToken.END_ARRAY) {
            throw wrongMerge("must be two texts");
        }
        return new Merge(left, right);
    }

    private Merge spaced(JsonParser parser) throws IOException {
        String text = parser.hasToken(JsonToken.VALUE_STRING) ? parser.getText() : "";
        int blank = text.indexOf(' ');
        if (blank < 0 || text.indexOf(' ', blank + 1) >= 0) {
            throw wrongMerge("must be two tokens with a blank between them");
        }
        return new Merge(text.substring(0, blank), text.substring(blank + 1));
    }

    private ModelLoadException wrongMerge(String rule) {
        return wrong(rule, ".merges[%d]".formatted(merges.size()));
    }

    private void check() {
        checkIds();
        checkLetters();
        long[] pairs = new long[merges.size()];
        for (int i = 0; i < pairs.length; i++) {
            Merge merge = merges.get(i);
            pairs[i] = (long) idOf(merge.left, i) << Integer.SIZE | idOf(merge.right, i);
            idOf(merge.left + merge.right, i);
        }
        checkTwice(pairs);
    }

    private int idOf(String token, int merge) {
        Integer id = ids.get(token);
        if (id == null) {
            throw wrong(
                    "must make a token of two, but %s is not in the vocabulary".formatted(ModelFile.quote(token)),
                    ".merges[%d]".formatted(merge));
        }
        return id;
    }

    private void checkTwice(long[] pairs) {
        long[] sorted = pairs.clone();
        Arrays.sort(sorted);
        for (int i = 1; i < sorted.length; i++) {
            if (sorted[i] == sorted[i - 1]) {
                int at = pairs.length - 1;
                while (pairs[at] != sorted[i]) {
                    at--;
                }
                Merge merge = merges.get(at);
                throw wrong(
                        "is there already: %s and %s"
                                .formatted(ModelFile.quote(merge.left), ModelFile.quote(merge.right)),
                        ".merges[%d]".formatted(at));
            }
        }
    }

    /** Ids are those of rows of the text encoder's embeddings: from 0 on, without gaps. */
    private void checkIds() {
        boolean[] taken = new boolean[ids.size()];
        ids.forEach((token, id) -> {
            if (id < 0 || id >= taken.length || taken[id]) {
                throw wrong(
                        "must give its %d tokens the ids from 0 on, each once, but %s has %d"
                                .formatted(taken.length, ModelFile.quote(token), id),
                        ".vocab");
            }
            taken[id] = true;
        });
    }

    /** Every byte must have a token, or text with that byte would lose it. No token may have other letters. */
    private void checkLetters() {
        BitSet letters = letters();
        letters.stream().mapToObj(Character::toString).forEach(letter -> {
            if (!ids.containsKey(letter)) {
                throw wrong(
                        "must have a token for each of the 256 bytes, but has none for " + ModelFile.quote(letter),
                        ".vocab");
            }
        });
        for (String token : ids.keySet()) {
            for (int i = 0; i < token.length(); i++) {
                if (!letters.get(token.charAt(i))) {
                    throw wrong(
                            "must be written in the letters of byte-level BPE, but %s is not"
                                    .formatted(ModelFile.quote(token)),
                            ".vocab");
                }
            }
        }
    }

    /**
     * Returns the letters that stand for bytes: for those of visible Latin-1 characters the characters themselves, for the
     * others the characters from U+0100 on (as {@code bytes_to_unicode} of GPT-2).
     */
    private static BitSet letters() {
        BitSet letters = new BitSet();
        int next = BYTES;
        for (int b = 0; b < BYTES; b++) {
            boolean visible = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xFF && b != 0xAD);
            letters.set(visible ? b : next++);
        }
        return letters;
    }

    private ModelLoadException wrong(String rule, String under) {
        return new ModelLoadException("%s: model%s %s".formatted(file, under, rule));
    }

    /** Writes the model anew: what was checked, and nothing else. */
    void write(JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("type", "BPE");
        json.writeObjectFieldStart("vocab");
        for (Map.Entry<String, Integer> token : ids.entrySet()) {
            json.writeNumberField(token.getKey(), Objects.requireNonNull(token.getValue()));
        }
        json.writeEndObject();
        json.writeArrayFieldStart("merges");
        for (Merge merge : merges) {
            json.writeStartArray();
            json.writeString(merge.left);
            json.writeString(merge.right);
            json.writeEndArray();
        }
        json.writeEndArray();
        json.writeEndObject();
    }
}
