package io.github.zimage.internal.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A small part of a {@code tokenizer.json}, such as its normalizer, and the key under which it stands. What is not asked for
 * is refused by name, never ignored.
 */
final class TokenizerSection {
    /** More than twice what the largest supported section has. */
    private static final int MAX_VALUES = 100;

    private static final Pattern SMALL_INTEGER = Pattern.compile("-?[0-9]{1,18}");

    private final String file;
    private final String path;

    /** A map, a list, a text, an integer, a flag, null; or what a number was written as that is no small integer. */
    private final @Nullable Object value;

    private TokenizerSection(String file, String path, @Nullable Object value) {
        this.file = file;
        this.path = path;
        this.value = value;
    }

    /** Reads the value at which a parser stands. */
    static TokenizerSection read(String file, String path, JsonParser parser) throws IOException {
        return new TokenizerSection(file, path, new Reader(file, path, parser).value());
    }

    boolean isNull() {
        return value == null;
    }

    /** Returns whether this is a text or a flag and equal to another. */
    boolean is(Object other) {
        return other.equals(value);
    }

    /** Refuses any value but these texts, flags or null; a key that is absent counts as null. */
    void only(@Nullable Object... supported) {
        if (!Arrays.asList(supported).contains(value)) {
            List<String> shown = new ArrayList<>();
            for (Object each : supported) {
                shown.add(shown(each));
            }
            throw wrong("must be " + String.join(" or ", shown));
        }
    }

    /** Returns this text. */
    String text() {
        if (value instanceof String text) {
            return text;
        }
        throw wrong("must be a text");
    }

    /** Returns this flag. */
    boolean flag() {
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw wrong("must be true or false");
    }

    /** Returns this integer, which must lie in a range. */
    int integer(int least, int most) {
        if (value instanceof Long number && number >= least && number <= most) {
            return number.intValue();
        }
        throw wrong("must be an integer from " + least + " to " + most);
    }

    /** Refuses keys other than these; they may be absent. */
    void onlyKeys(String... keys) {
        List<String> known = List.of(keys);
        for (Object key : map().keySet()) {
            if (!known.contains(key.toString())) {
                throw at(key.toString()).wrong("is not supported and must be absent");
            }
        }
    }

    /** Returns what stands under a key. */
    TokenizerSection at(String key) {
        return new TokenizerSection(file, path + "." + shortened(key), map().get(key));
    }

    /** Returns the entries of a list, which must have so many. */
    List<TokenizerSection> entries(int number) {
        if (!(value instanceof List<?> list) || list.size() != number) {
            throw wrong("must be a list of " + number);
        }
        List<TokenizerSection> entries = new ArrayList<>();
        for (Object entry : list) {
            entries.add(new TokenizerSection(file, path + "[" + entries.size() + "]", entry));
        }
        return entries;
    }

    private Map<?, ?> map() {
        if (value instanceof Map<?, ?> map) {
            return map;
        }
        throw wrong("must be an object");
    }

    /** Returns the refusal of this value. */
    ModelLoadException wrong(String rule) {
        return new ModelLoadException("%s: %s %s, but was %s".formatted(file, path, rule, shown(value)));
    }

    private static String shown(@Nullable Object value) {
        if (value instanceof String text) {
            return ModelFile.quote(text);
        }
        return value == null ? "absent or null" : shortened(value.toString());
    }

    /** Returns a text from the file as messages show it. */
    static String shortened(String text) {
        String quoted = ModelFile.quote(text);
        return quoted.substring(1, quoted.length() - 1);
    }

    private record OtherNumber(String written) {
        @Override
        public String toString() {
            return written;
        }
    }

    /** Reads a value of any shape, but not of any size. */
    private static final class Reader {
        private final String file;
        private final String path;
        private final JsonParser parser;
        private int values;

        Reader(String file, String path, JsonParser parser) {
            this.file = file;
            this.path = path;
            this.parser = parser;
        }

        @Nullable
        Object value() throws IOException {
            values++;
            if (values > MAX_VALUES) {
                throw new ModelLoadException("%s: %s must have at most %d values, but has more: not supported"
                        .formatted(file, path, MAX_VALUES));
            }
            return switch (parser.currentToken()) {
                case START_OBJECT -> object();
                case START_ARRAY -> list();
                case VALUE_STRING -> parser.getText();
                case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> number(parser.getText());
                case VALUE_TRUE -> true;
                case VALUE_FALSE -> false;
                default -> null;
            };
        }

        /** Numbers that are no small integers fit nowhere; they are kept as they are written, to be shown. */
        private static Object number(String written) {
            return SMALL_INTEGER.matcher(written).matches() ? (Object) Long.valueOf(written) : new OtherNumber(written);
        }

        private Map<String, @Nullable Object> object() throws IOException {
            Map<String, @Nullable Object> object = new LinkedHashMap<>();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.currentName();
                parser.nextToken();
                if (object.containsKey(key)) {
                    throw new ModelLoadException("%s: %s has %s twice".formatted(file, path, ModelFile.quote(key)));
                }
                object.put(key, value());
            }
            return object;
        }

        private List<@Nullable Object> list() throws IOException {
            List<@Nullable Object> list = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                list.add(value());
            }
            return list;
        }
    }
}
